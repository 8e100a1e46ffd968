internal import Synchronization

/// The kind of a thread. `ThreadStart` passes it to its closure.
public enum ThreadKind: String, Sendable, CaseIterable {
    /// Carries the traffic of guests.
    case shard
    /// Moves frames between the interface of an agent's guest and the host.
    case frames
    /// Resolves names.
    case names
    /// Every other thread of `SystemThread`: control, agents, state.
    case service
}

/// A closure that each shard or service thread runs first, for example to restrict itself by a seccomp filter. A
/// program sets it once, before it starts a thread; a library must not set it.
///
/// There is one closure for the process and not one for each network, because the restrictions apply to the threads
/// of all networks.
public enum ThreadStart {
    private static let action = Mutex<(@Sendable (ThreadKind) -> Void)?>(nil)

    /// Sets the closure. Threads that have started do not run it.
    public static func set(_ new: @escaping @Sendable (ThreadKind) -> Void) { action.withLock { $0 = new } }

    /// Runs the closure, if one is set, on the calling thread.
    public static func begin(_ kind: ThreadKind) { action.withLock { $0 }?(kind) }
}
