/// From which senders a UDP mapping passes datagrams on to the guest (filtering behavior, RFC 4787 §5). The mapping
/// behavior is always endpoint-independent: one port of the host per port of the guest, for all remote hosts.
public enum UDPFiltering: String, CaseIterable, Sendable {
    /// All senders.
    case endpointIndependent = "endpoint-independent"
    /// Addresses that the guest has sent to, with any port (REQ-8). TFTP servers, for example, answer from a port
    /// that the guest has not sent to.
    case address
    /// Addresses and ports that the guest has sent to.
    case addressAndPort = "address-and-port"
}
