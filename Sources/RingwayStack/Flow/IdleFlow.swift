/// A flow that has a host socket and could end so that another one has its descriptor.
public struct IdleFlow: Sendable {
    let flow: Flow
    /// Monotonic nanoseconds of its last use; zero for one that was never answered, which goes before any that was.
    public internal(set) var usedAt: UInt64

    /// The one of the two that was used less recently; this one where that is unknown.
    static func older(_ first: IdleFlow?, _ second: IdleFlow?) -> IdleFlow? {
        guard let first else { return second }
        guard let second, second.usedAt < first.usedAt else { return first }
        return second
    }
}
