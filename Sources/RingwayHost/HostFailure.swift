internal import Glibc

/// A system call on the host's side that failed, and what was being done.
public struct HostFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public let step: String
    public let errno: Int32

    public init(_ step: String, errno: Int32) {
        self.step = step
        self.errno = errno
    }

    /// Whether the host lacks the address's family.
    public var isFamilyMissing: Bool { errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL }

    public var description: String { "\(step): \(String(cString: strerror(errno)))" }
}
