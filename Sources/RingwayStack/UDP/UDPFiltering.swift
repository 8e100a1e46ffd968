internal import RingwayWire

/// Which senders' datagrams pass a UDP mapping to the guest (filtering behavior, RFC 4787 §5). The mapping behavior is
/// always endpoint-independent: one port of the host per port of the guest, for all remote hosts.
public enum UDPFiltering: String, CaseIterable, Sendable {
    /// All senders.
    case endpointIndependent = "endpoint-independent"
    /// Addresses that the guest has sent to, with any port (REQ-8): TFTP, and servers that answer from another port.
    case address
    /// Addresses and ports that the guest has sent to.
    case addressAndPort = "address-and-port"

    /// Whether the filter treats `first` and `second` as the same peer.
    @inline(__always)
    func covers(_ first: TransportAddress, _ second: TransportAddress) -> Bool {
        switch self {
        case .endpointIndependent: true
        case .address: first.address == second.address
        case .addressAndPort: first == second
        }
    }

    /// The port to record for a peer: zero if the filter ignores ports.
    @inline(__always)
    func remembered(_ port: UInt16) -> UInt16 { self == .addressAndPort ? port : 0 }
}
