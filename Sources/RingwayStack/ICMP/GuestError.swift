internal import RingwayModel
public import RingwayWire

/// An ICMP error from the guest about a packet that it was sent in a remote host's name (RFC 792, RFC 4443 §3): a port of
/// it is closed, or a router inside it has a smaller link.
@frozen
public struct GuestError: Sendable, BitwiseCopyable {
    /// What the error says.
    public enum Reason: Equatable, Sendable, BitwiseCopyable {
        /// The packet must not be longer than this, which may be zero: some router did not say (RFC 1191 §4).
        case packetTooBig(mtu: Int)
        /// Nothing listens on the port.
        case portUnreachable
        /// The guest, or a network behind it, cannot be reached: host, network, protocol or policy.
        case unreachable
        /// Hops or time ran out, or a header was not understood.
        case other
    }

    public let reason: Reason
    /// The packet the error is about: its source is the remote end and its destination the guest's.
    public let quoted: QuotedPacket

    /// Reads the error in a frame that was parsed as ICMP or ICMPv6; `nil` when it is another message, or quotes too
    /// little to say what it is about.
    ///
    /// - Parameter bytes: the ethernet frame, without virtio-net header.
    public init?(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) {
        let end = Int(summary.payloadOffset) + Int(summary.payloadLength)
        guard end <= bytes.count else { return nil }
        let message = UnsafeRawBufferPointer(rebasing: bytes[Int(summary.transportOffset)..<end])
        guard let header = ICMPv6Header(message), let reason = Self.reason(header, isIPv6: summary.isIPv6),
            let quoted = QuotedPacket(header.payload), quoted.source.isIPv4 != summary.isIPv6
        else { return nil }
        self.reason = reason
        self.quoted = quoted
    }

    /// The two families' headers have the same shape and other numbers.
    private static func reason(_ header: ICMPv6Header, isIPv6: Bool) -> Reason? {
        if isIPv6 {
            switch header.type {
            case ICMPv6Header.destinationUnreachable:
                return header.code == ICMPv6Header.portUnreachable ? .portUnreachable : .unreachable
            case ICMPv6Header.packetTooBig: return .packetTooBig(mtu: Int(header.parameter))
            case ICMPv6Header.timeExceeded, ICMPv6Header.parameterProblem: return .other
            default: return nil
            }
        }
        switch header.type {
        case ICMPv4Header.destinationUnreachable:
            switch header.code {
            case ICMPv4Header.fragmentationNeeded: return .packetTooBig(mtu: Int(header.sequence))
            case ICMPv4Header.portUnreachable: return .portUnreachable
            default: return .unreachable
            }
        case ICMPv4Header.timeExceeded, ICMPv4Header.parameterProblem: return .other
        default: return nil
        }
    }

    /// The key by which shards share flows: that of the connection, or of the guest's end of the datagrams.
    public var flowKey: FlowKey {
        switch quoted.protocolNumber {
        case IPProtocol.tcp:
            FlowKey(
                guest: quoted.destination, guestPort: quoted.destinationPort, remote: quoted.source,
                remotePort: quoted.sourcePort, transport: .tcp)
        default: FlowKey(guest: quoted.destination, guestPort: quoted.destinationPort, transport: .udp)
        }
    }
}
