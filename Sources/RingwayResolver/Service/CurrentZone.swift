internal import Synchronization

/// The current `BuiltinZone`. Any thread may replace it; the resolver's thread reads it for each query.
///
/// The zone is protected by a lock rather than posted to the loop. The loop handles descriptor events before posted
/// closures, and a client reads many queries per event, so a query sent after the change could still be answered from
/// the former zone.
final class CurrentZone: Sendable {
    private let stored: Mutex<BuiltinZone>

    init(_ zone: BuiltinZone) { stored = Mutex(zone) }

    var value: BuiltinZone {
        get { stored.withLock { $0 } }
        set { stored.withLock { $0 = newValue } }
    }
}
