internal import Synchronization

/// The kind of a thread, which `ThreadStart` passes to its closure.
public enum ThreadKind: String, Sendable, CaseIterable {
    /// Carries the traffic of guests.
    case shard
    /// Every thread of `SystemThread`: control, name resolution, agents, state.
    case service
}

/// What each thread of a `ThreadKind` does first, on itself. A program sets it once, before it starts a thread; a library
/// leaves it alone.
///
/// Filters restrict the threads of all networks in the process, so the closure belongs to the process and not to one
/// network.
public enum ThreadStart {
    private static let action = Mutex<(@Sendable (ThreadKind) -> Void)?>(nil)

    /// Sets the closure. Threads that have started do not run it.
    public static func set(_ new: @escaping @Sendable (ThreadKind) -> Void) { action.withLock { $0 = new } }

    /// Runs the closure, if one is set, on the calling thread.
    public static func begin(_ kind: ThreadKind) { action.withLock { $0 }?(kind) }
}
