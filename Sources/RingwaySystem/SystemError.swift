internal import Glibc

/// A failed system call: its purpose, and the kernel's error number.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The failed operation, such as "cannot listen on vsock:1024".
    public let operation: String
    /// Linux's error number; never negative.
    public let errno: Int32
    /// A more precise reason than the text of the error number; `nil` if that text suffices.
    public let reason: String?

    /// - Parameter errno: the error number; by default the last system call's.
    public init(_ operation: String, errno: Int32? = nil, reason: String? = nil) {
        self.errno = errno ?? Glibc.errno
        self.operation = operation
        self.reason = reason
    }

    /// Makes an error whose `operation` is "cannot STEP".
    ///
    /// - Parameter explanation: a text to append to the text of the error number, such as the kernel's message in a
    ///   netlink reply.
    public init(cannot step: String, errno: Int32? = nil, explanation: String? = nil) {
        let number = errno ?? Glibc.errno
        self.init(
            "cannot \(step)", errno: number,
            reason: explanation.map { "\(String(cString: strerror(number))) (\($0))" })
    }

    /// The text "OPERATION: REASON".
    public var description: String { "\(operation): \(reason ?? String(cString: strerror(errno)))" }
}
