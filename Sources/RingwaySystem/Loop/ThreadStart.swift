internal import Synchronization

/// The kinds of threads of this process that have work of their own.
public enum ThreadKind: String, Sendable, CaseIterable {
    /// Carries the traffic of guests.
    case shard
    /// Every thread of `SystemThread`: control, name resolution, agents, state.
    case service
}

/// What each thread of a `ThreadKind` does first, on itself. A program sets it once, before it starts a thread; a library
/// leaves it alone.
///
/// Restrictions such as a filter of system calls belong to the process, not to one network in it, so this is a property
/// of the process too.
public enum ThreadStart {
    private static let action = Mutex<(@Sendable (ThreadKind) -> Void)?>(nil)

    /// Sets what threads do when they start.
    public static func set(_ new: @escaping @Sendable (ThreadKind) -> Void) { action.withLock { $0 = new } }

    /// Does it, on the calling thread.
    public static func begin(_ kind: ThreadKind) { action.withLock { $0 }?(kind) }
}
