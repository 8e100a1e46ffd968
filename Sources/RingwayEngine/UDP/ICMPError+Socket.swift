internal import Glibc
internal import RingwayModel
internal import RingwayStack

// What the guest is told about errors of host sockets.

extension ICMPError.Reason {
    /// What the guest is told about an error that the kernel queued; `nil` for nothing.
    init?(_ error: DatagramError) {
        switch error.origin {
        case .icmp:
            self = .reported(type: error.type, code: error.code, parameter: error.information)
        // It is told when the send's own result comes, which has the datagram too.
        case .local where error.errno == EMSGSIZE: return nil
        case .local: self.init(errno: error.errno, information: error.information)
        }
    }

    /// The same of an error by which a send failed.
    ///
    /// - Parameter information: the MTU where the error is about size, or zero.
    init?(errno error: Int32, information: UInt32) {
        switch error {
        case ECONNREFUSED: self = .portUnreachable
        case EHOSTUNREACH, EHOSTDOWN: self = .hostUnreachable
        case ENETUNREACH, ENETDOWN, EADDRNOTAVAIL, EINVAL, EAFNOSUPPORT: self = .networkUnreachable
        case EACCES, EPERM: self = .administrativelyProhibited
        case EMSGSIZE:
            self = .packetTooBig(mtu: information == 0 ? UInt32(NetworkPlan.minimumMTU) : information)
        default: return nil
        }
    }
}
