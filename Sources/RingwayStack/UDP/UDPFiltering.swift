internal import RingwayWire

/// Whose datagrams come in by a UDP mapping of the guest (RFC 4787 §5). The mapping itself is endpoint-independent always:
/// one port of the host for one of the guest, whichever servers it speaks to.
public enum UDPFiltering: String, CaseIterable, Sendable {
    /// Any sender's.
    case endpointIndependent = "endpoint-independent"
    /// Those of addresses that the guest has sent to, from any port (REQ-8): TFTP, and servers that answer from another port.
    case address
    /// Those of addresses and ports that the guest has sent to.
    case addressAndPort = "address-and-port"

    /// Whether a peer that may send from `first` may send from `second`.
    @inline(__always)
    func covers(_ first: TransportAddress, _ second: TransportAddress) -> Bool {
        switch self {
        case .endpointIndependent: true
        case .address: first.address == second.address
        case .addressAndPort: first == second
        }
    }

    /// What is remembered of a port that the guest has sent to.
    @inline(__always)
    func remembered(_ port: UInt16) -> UInt16 { self == .addressAndPort ? port : 0 }
}
