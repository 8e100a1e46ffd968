internal import Synchronization

/// The zone that queries are answered by: replaced from any thread, read by the resolver's for each query.
///
/// Behind a lock, and not posted to the loop: a loop handles what its descriptors have before what was posted, and a
/// client reads many queries at one event, so a query that was sent after the change would meet the former zone.
final class CurrentZone: Sendable {
    private let stored: Mutex<BuiltinZone>

    init(_ zone: BuiltinZone) { stored = Mutex(zone) }

    var value: BuiltinZone {
        get { stored.withLock { $0 } }
        set { stored.withLock { $0 = newValue } }
    }
}
