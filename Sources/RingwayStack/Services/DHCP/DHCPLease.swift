public import RingwayModel

/// One lease, for reports.
public struct DHCPLease: Equatable, Sendable {
    /// What an address is being used for.
    public enum State: UInt8, Sendable {
        /// Offered; the client has not yet accepted.
        case offered
        /// Held by a client.
        case bound
        /// A client found the address in use (DHCPDECLINE); the address is not offered while others are free.
        case quarantined
    }

    /// The address.
    public let address: IPv4Address
    /// The client's ethernet address; in quarantine, the ethernet address of the client that declined the address.
    public let mac: MACAddress
    /// The client's host name, empty if it sent none or an invalid one.
    public let hostName: String
    /// When the state ends unless it is renewed, in monotonic nanoseconds.
    public let expiresAt: UInt64
    /// The use of the address.
    public let state: State
    /// Whether the address is reserved for this ethernet address.
    public let isReserved: Bool
}
