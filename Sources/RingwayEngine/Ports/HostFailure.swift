internal import Glibc

/// A failed system call on the host, and its purpose.
struct HostFailure: Error, Equatable, Sendable, CustomStringConvertible {
    let step: String
    let errno: Int32

    init(_ step: String, errno: Int32) {
        self.step = step
        self.errno = errno
    }

    /// Whether the host does not support the address's family.
    var isFamilyMissing: Bool { errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL }

    var description: String { "\(step): \(String(cString: strerror(errno)))" }
}
