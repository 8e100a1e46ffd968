internal import Glibc
internal import RingwayModel
internal import RingwayStack

// ICMP errors to the guest for errors of host sockets.

extension ICMPError.Reason {
    /// The ICMP error for a queued error of the kernel; `nil` for none.
    init?(_ error: DatagramError) {
        switch error.origin {
        case .icmp:
            self = .reported(type: error.type, code: error.code, parameter: error.information)
        // Reported when the send completes, because the datagram is known then.
        case .local where error.errno == EMSGSIZE: return nil
        case .local: self.init(errno: error.errno, information: error.information)
        }
    }

    /// The ICMP error for a failed send.
    ///
    /// - Parameter information: the MTU if the error is about size, or zero.
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
