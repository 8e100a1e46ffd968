internal import CRingway
internal import Glibc
internal import RingwayHost
internal import RingwayStack

// What the stack wants and is told, in the terms of sockets.

extension ConnectFailure {
    /// What the guest is told about a connect that failed so.
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

extension ConnectManner {
    /// How the connect of an effect is to be made.
    init(_ effect: Effect, keepsPrivilegedPorts: Bool) {
        self.init(
            hopLimit: effect.hopLimit < TCPBounds.fewHops ? effect.hopLimit : nil, trafficClass: effect.trafficClass,
            privilegedPort: keepsPrivilegedPorts ? effect.sourcePort : 0)
    }
}

extension PeerReport {
    init(_ peer: PeerInspection.Peer) {
        self.init(
            silence: peer.silence, isDelivered: peer.isDelivered, isUnderWay: peer.isUnderWay,
            isRepeating: peer.isRepeating, timeout: peer.timeout, roundTrip: peer.roundTrip)
    }
}

extension Effect {
    /// Bytes that a send of the first `available` parked ones is of.
    @inline(__always)
    func sendLength(of available: UInt32) -> Int { Int(limit == 0 ? available : min(available, limit)) }

    @inline(__always)
    var sendFlags: Int32 { Int32(MSG_NOSIGNAL) | (isUrgent ? Int32(MSG_OOB) : 0) }
}
