/// Why a service sent no reply to a frame that was parsed without error.
///
/// Each service counts its dropped messages by reason. Often a drop is correct, as for an ARP request for the guest's
/// own address. The reasons distinguish such drops from faults.
public enum ServiceDrop: UInt8, CaseIterable, Sendable {
    /// The caller's buffer cannot hold the reply.
    case replyDoesNotFit

    /// The frame is not an ARP request over ethernet and IPv4, or its sender's ethernet address is multicast.
    case arpMalformed
    /// An ARP request that the gateway does not answer: for another node's address, an announcement, or a probe.
    case arpNotOurs

    /// A neighbour discovery message that RFC 4861 §6.1 or §7.1 requires to be discarded.
    case neighborMalformed
    /// A neighbour discovery message that came through a router (hop limit below 255).
    case neighborHopLimit
    /// A neighbour solicitation for an address that is neither the gateway's nor the host's.
    case neighborNotOurs
    /// A router solicitation beyond the rate limit.
    case solicitationRateLimited

    /// The message is not a request of a DHCP client on ethernet, lacks an address that its type requires, or has
    /// lengths that contradict each other.
    case dhcpMalformed
    /// The message came through a DHCP relay agent. All guests are on the stack's own link, so none is legitimate.
    case dhcpRelayed
    /// The client chose another server.
    case dhcpOtherServer
    /// No address of the range is free.
    case dhcpPoolExhausted
    /// DHCPRELEASE or DHCPDECLINE for an address that this client does not hold.
    case dhcpNotTheirs
    /// A message of a type that only servers send.
    case dhcpUnexpectedType

    /// An echo request to an address that is not the gateway's, or from an address that is not unicast.
    case echoNotOurs
    /// The message is not an echo request with code zero, or is truncated.
    case echoMalformed

    /// RFC 1122 §3.2.2 and RFC 4443 §2.4 (e) forbid an error about this packet, or the error's source would be
    /// invalid.
    case errorForbidden
    /// The error would exceed the rate limit (RFC 4443 §2.4 (f)).
    case errorRateLimited

    /// A fragment with invalid headers or without payload, or a fragment other than the last whose payload length is
    /// not a multiple of eight.
    case fragmentMalformed
    /// A fragment that would make its datagram longer than IP permits.
    case fragmentTooLong
    /// A fragment that contradicts earlier ones; the whole datagram is dropped (RFC 5722).
    case fragmentOverlap
    /// Fragments were missing at the reassembly timeout.
    case fragmentTimedOut
    /// An incomplete datagram that was evicted for a newer one.
    case fragmentEvicted

    /// The reason's name.
    public var name: String { String(describing: self) }
}
