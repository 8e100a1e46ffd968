/// Why a service stayed silent, where the frame itself parsed well.
///
/// A drop without a counter is a bug: every path of a service that sends nothing counts one of these. Silence is
/// often the right answer (an ARP request for the guest's own address), and the counters tell it from trouble.
public enum ServiceDrop: UInt8, CaseIterable, Sendable {
    /// The caller's buffer cannot hold the reply.
    case replyDoesNotFit

    /// The frame is not an ARP request over ethernet and IPv4, or carries an impossible sender.
    case arpMalformed
    /// The question is about an address that is not ours to answer for.
    case arpNotOurs

    /// A neighbour discovery message that RFC 4861 §6.1 or §7.1 requires to be discarded.
    case neighborMalformed
    /// A neighbour discovery message that came through a router (hop limit below 255).
    case neighborHopLimit
    /// A solicitation of an address that is neither the gateway's nor the host's.
    case neighborNotOurs
    /// A router solicitation beyond the rate at which they are answered.
    case solicitationRateLimited

    /// Not a request of a DHCP client on ethernet, or its lengths contradict each other.
    case dhcpMalformed
    /// Came through a relay agent; guests sit on our own link, so no relay is legitimate.
    case dhcpRelayed
    /// The client chose another server.
    case dhcpOtherServer
    /// No address of the range is free.
    case dhcpPoolExhausted
    /// A release or a refusal of an address that this client does not hold.
    case dhcpNotTheirs
    /// A message type that a server does not answer.
    case dhcpUnexpectedType

    /// An echo request to an address that is not the gateway's.
    case echoNotOurs
    /// Not an echo request, or its message is cut short.
    case echoMalformed

    /// RFC 1122 §3.2.2 and RFC 4443 §2.4 (e) forbid an error about this packet.
    case errorForbidden
    /// The error would exceed the rate that RFC 4443 §2.4 (f) asks us to keep.
    case errorRateLimited

    /// A fragment whose own header is impossible: no payload, or a length that is no multiple of eight.
    case fragmentMalformed
    /// A fragment that would make its datagram exceed what a length field can say.
    case fragmentTooLong
    /// A fragment that contradicts what has arrived; the whole datagram is dropped (RFC 5722).
    case fragmentOverlap
    /// A datagram whose missing fragments did not come in time.
    case fragmentTimedOut
    /// A datagram displaced by a newer one at the bound.
    case fragmentEvicted
    /// A reassembled datagram whose transport checksum is wrong.
    case fragmentBadChecksum

    /// The name under which the counter is reported.
    public var name: String { String(describing: self) }
}
