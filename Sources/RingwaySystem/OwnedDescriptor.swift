/// A file descriptor with one owner, closed exactly once, on deinit.
///
/// A caller that must keep the descriptor open takes over ownership by `take`.
public struct OwnedDescriptor: ~Copyable, Sendable {
    /// The number, for system calls; never negative.
    public let rawValue: Int32

    /// Takes ownership of an open descriptor.
    public init(adopting rawValue: Int32) {
        precondition(rawValue >= 0, "a descriptor has a number")
        self.rawValue = rawValue
    }

    /// Takes ownership of a system call's result; `nil`, with `errno` unchanged, if the result is negative.
    public init?(result: Int32) {
        guard result >= 0 else { return nil }
        self.rawValue = result
    }

    /// Ends ownership without closing. The caller owns the descriptor from now on.
    public consuming func take() -> Int32 {
        let number = rawValue
        discard self
        return number
    }

    deinit { HostCalls.close(rawValue) }
}
