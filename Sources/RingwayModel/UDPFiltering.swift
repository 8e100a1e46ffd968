/// Whose datagrams come in by a UDP mapping of the guest (RFC 4787 §5). The mapping itself is endpoint-independent always:
/// one port of the host for one of the guest, whichever servers it speaks to.
public enum UDPFiltering: String, CaseIterable, Sendable {
    /// Any sender's.
    case endpointIndependent = "endpoint-independent"
    /// Those of addresses that the guest has sent to, from any port (REQ-8): TFTP, and servers that answer from another port.
    case address
    /// Those of addresses and ports that the guest has sent to.
    case addressAndPort = "address-and-port"
}
