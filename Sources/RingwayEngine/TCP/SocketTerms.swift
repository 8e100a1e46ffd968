internal import CRingway
internal import Glibc
internal import RingwayStack

// Conversions of socket errors and of `PeerInspection` to the stack's types.

extension ConnectFailure {
    /// The stack's failure for an `errno` of connect.
    init(errno: Int32) {
        self =
            switch errno {
            case ECONNREFUSED, ECONNRESET: .refused
            case EHOSTUNREACH, EHOSTDOWN: .hostUnreachable
            case ENETUNREACH, ENETDOWN, EAFNOSUPPORT, EINVAL, EADDRNOTAVAIL: .networkUnreachable
            case EACCES, EPERM: .prohibited
            case ETIMEDOUT: .timedOut
            default: .exhausted
            }
    }
}

extension PeerReport {
    init(_ peer: PeerInspection.Peer) {
        self.init(
            silence: peer.silence, isDelivered: peer.isDelivered, isUnderWay: peer.isUnderWay,
            isRepeating: peer.isRepeating, timeout: peer.timeout, roundTrip: peer.roundTrip)
    }
}
