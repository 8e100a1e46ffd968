internal import Glibc
internal import RingwayModel
internal import RingwayStack

// Which ICMP error the guest gets for an error of a host socket.

extension ICMPError.Reason {
    /// The ICMP error for an error from a socket's error queue; `nil` if the guest gets none.
    init?(_ error: DatagramError) {
        switch error.origin {
        case .icmp:
            self = .reported(type: error.type, code: error.code, parameter: error.information)
        // The guest gets the error for EMSGSIZE when the send completes, because only the completion identifies the
        // datagram.
        case .local where error.errno == EMSGSIZE: return nil
        case .local: self.init(errno: error.errno, information: error.information)
        }
    }

    /// The ICMP error for a failed send.
    ///
    /// - Parameter information: the MTU if the error is that the datagram was too long, or zero if the MTU is unknown.
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
