internal import Synchronization

/// The current `BuiltinZone`, and whether other names are forwarded. Any thread may change them; the resolver's thread reads them for each query.
///
/// The zone is protected by a lock rather than posted to the loop. The loop handles descriptor events before posted
/// closures, and a client reads many queries per event, so a query sent after the change could still be answered from
/// the former zone.
final class CurrentZone: Sendable {
    private let stored: Mutex<BuiltinZone>
    private let forwarding: Atomic<Bool>

    init(_ zone: BuiltinZone, forwards: Bool) {
        stored = Mutex(zone)
        forwarding = Atomic(forwards)
    }

    /// Whether names outside the zone are asked of nameservers; if not, they are refused.
    var forwards: Bool {
        get { forwarding.load(ordering: .relaxed) }
        set { forwarding.store(newValue, ordering: .relaxed) }
    }

    var value: BuiltinZone {
        get { stored.withLock { $0 } }
        set { stored.withLock { $0 = newValue } }
    }
}
