/// A flow with a host socket that may be ended to free a descriptor.
public struct IdleFlow: Sendable {
    let flow: Flow
    /// Monotonic nanoseconds of the last use; zero for a flow without any reply so far, which is evicted first.
    public internal(set) var usedAt: UInt64

    /// The less recently used of the two flows, `first` if they are equal; if one is `nil`, the other.
    static func older(_ first: IdleFlow?, _ second: IdleFlow?) -> IdleFlow? {
        guard let first else { return second }
        guard let second, second.usedAt < first.usedAt else { return first }
        return second
    }
}
