/// A file descriptor with one owner, which closes it exactly once: by going away.
///
/// A caller that needs the number for longer than the value lives becomes the owner by `take`.
public struct OwnedDescriptor: ~Copyable, Sendable {
    /// The number, for system calls; never negative.
    public let rawValue: Int32

    /// Becomes the owner of an open descriptor.
    public init(adopting rawValue: Int32) {
        precondition(rawValue >= 0, "a descriptor has a number")
        self.rawValue = rawValue
    }

    /// Becomes the owner of what a system call returned; `nil`, with `errno` as it was, when that was an error.
    public init?(result: Int32) {
        guard result >= 0 else { return nil }
        self.rawValue = result
    }

    /// Ends the ownership without closing: the caller is the owner now.
    public consuming func take() -> Int32 {
        let number = rawValue
        discard self
        return number
    }

    deinit { HostCalls.close(rawValue) }
}
