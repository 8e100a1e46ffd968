internal import Glibc
internal import RingwaySystem

extension SystemError {
    /// Whether a socket could not be opened or bound because the host lacks the address or its family.
    var isFamilyMissing: Bool { errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL }
}
