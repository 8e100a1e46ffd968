/// A flow that may be ended to free the descriptor of its host socket.
public struct IdleFlow: Sendable {
    let flow: Flow
    /// Monotonic nanoseconds of the last use. `Stack.idlestFlow` returns zero for a flow that has had no reply, so
    /// that this flow is ended before any other.
    public internal(set) var usedAt: UInt64

    /// The less recently used of the two flows, `first` on a tie; if one is `nil`, the other.
    static func older(_ first: IdleFlow?, _ second: IdleFlow?) -> IdleFlow? {
        guard let first else { return second }
        guard let second, second.usedAt < first.usedAt else { return first }
        return second
    }
}
