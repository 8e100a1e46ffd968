/// How likely the guest has an address, for clients that could be connected elsewhere.
public enum GuestTrust: UInt8, Sendable, BitwiseCopyable {
    /// The guest has recently proved to have the address, or there is no alternative.
    case certain
    /// The guest has proved it before: the connection is abandoned at the second timeout.
    case likely
    /// The guest has never proved it: the connection is abandoned at the first timeout.
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
