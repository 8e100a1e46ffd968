/// How likely it is that the guest has an address, where there is another way for the client if it has not.
public enum GuestTrust: UInt8, Sendable, BitwiseCopyable {
    /// The guest has shown the address lately, or there is no other way.
    case certain
    /// It has shown the address: given up at the second timeout.
    case likely
    /// It has not: given up at the first.
    case doubtful

    /// Whether the connection is given up at a timeout that comes after so many retransmissions.
    func isLost(after retransmissions: UInt8) -> Bool {
        switch self {
        case .certain: false
        case .likely: retransmissions >= 1
        case .doubtful: true
        }
    }
}

/// Why the host could not be reached.
public enum ConnectFailure: Sendable {
    case refused, hostUnreachable, networkUnreachable, prohibited, timedOut, exhausted
    /// The guest has as many descriptors as its share allows.
    case beyondShare
}
