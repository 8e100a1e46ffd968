internal import Glibc
internal import RingwaySystem

extension SystemError {
    /// Whether the host lacks the address's family.
    var isFamilyMissing: Bool { errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL }
}
