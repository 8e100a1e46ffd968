internal import Glibc

/// Why a ring could not be created or used.
public struct RingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The failed operation.
    public let operation: String
    public let errno: Int32

    public init(operation: String, errno: Int32) {
        self.operation = operation
        self.errno = errno
    }

    public var description: String { "\(operation): \(String(cString: strerror(errno)))" }
}
