internal import Glibc

/// A system call that failed: what it was made for, and the kernel's error number.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What could not be done, such as "cannot listen on vsock:1024".
    public let operation: String
    /// Linux's error number; never negative.
    public let errno: Int32
    /// Words that say more than the kernel's do of that number.
    public let reason: String?

    /// - Parameter errno: the error that the last system call left, unless another is given.
    public init(_ operation: String, errno: Int32? = nil, reason: String? = nil) {
        self.errno = errno ?? Glibc.errno
        self.operation = operation
        self.reason = reason
    }

    /// A step that could not be done: "cannot STEP".
    ///
    /// - Parameter explanation: the kernel's own words beyond the number, where it gave any.
    public init(cannot step: String, errno: Int32? = nil, explanation: String? = nil) {
        let number = errno ?? Glibc.errno
        self.init(
            "cannot \(step)", errno: number,
            reason: explanation.map { "\(String(cString: strerror(number))) (\($0))" })
    }

    /// "OPERATION: REASON".
    public var description: String { "\(operation): \(reason ?? String(cString: strerror(errno)))" }
}
