/// How likely it is that the guest has a certain address. A client of a published port is connected to that address,
/// and to another address of the guest if that one does not answer.
public enum GuestTrust: UInt8, Sendable, BitwiseCopyable {
    /// There is no reason to doubt that the guest has the address, or no alternative: the connection is not abandoned
    /// early.
    case certain
    /// The guest has proved before that it has the address: the connection is abandoned at the second timeout.
    case likely
    /// The guest has never proved that it has the address: the connection is abandoned at the first timeout.
    case doubtful

    /// Whether the connection is abandoned at a timeout after this many retransmissions.
    func isLost(after retransmissions: UInt8) -> Bool {
        switch self {
        case .certain: false
        case .likely: retransmissions >= 1
        case .doubtful: true
        }
    }
}

/// Why a connect to the host failed.
public enum ConnectFailure: Sendable {
    case refused, hostUnreachable, networkUnreachable, prohibited, timedOut, exhausted
    /// The guest has used up its share of descriptors.
    case beyondShare
}
