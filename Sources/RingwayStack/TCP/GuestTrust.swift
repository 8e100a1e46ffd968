/// How likely it is that the guest has the address to which a client of a published port is connected. The less
/// likely, the sooner the connection is abandoned and the client connected to another address of the guest.
public enum GuestTrust: UInt8, Sendable, BitwiseCopyable {
    /// There is no reason to doubt that the guest has the address, or no other address to try: the connection is not
    /// abandoned early.
    case certain
    /// The guest has proved before that it has the address: the connection is abandoned at the second retransmission
    /// timeout.
    case likely
    /// The guest has not proved that it has the address: the connection is abandoned at the first retransmission
    /// timeout.
    case doubtful

    /// Whether the connection is abandoned at the timeout that follows this many retransmissions.
    func isLost(after retransmissions: UInt8) -> Bool {
        switch self {
        case .certain: false
        case .likely: retransmissions >= 1
        case .doubtful: true
        }
    }
}

/// Why a host socket could not be connected.
public enum ConnectFailure: Sendable {
    case refused, hostUnreachable, networkUnreachable, prohibited, timedOut, exhausted
    /// The guest has used up its share of descriptors.
    case beyondShare
}
