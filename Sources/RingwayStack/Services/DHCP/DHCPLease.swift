public import RingwayModel

/// One address that a client holds, for reports.
public struct DHCPLease: Equatable, Sendable {
    /// What an address is being used for.
    public enum State: UInt8, Sendable {
        /// Offered; the client has not yet accepted.
        case offered
        /// Held by a client.
        case bound
        /// A client found it in use by someone else; it rests, unless no other is left.
        case quarantined
    }

    /// The address.
    public let address: IPv4Address
    /// Whose it is; of the client that complained, when quarantined.
    public let mac: MACAddress
    /// What the client calls itself, empty when it did not say or said nothing a name can be.
    public let hostName: String
    /// When the state ends unless it is renewed, in monotonic nanoseconds.
    public let expiresAt: UInt64
    /// What the address is being used for.
    public let state: State
    /// Whether the address is reserved for this ethernet address.
    public let isReserved: Bool
}
