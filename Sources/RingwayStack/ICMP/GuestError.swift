internal import RingwayModel
public import RingwayWire

/// An ICMP error from the guest about a packet that the stack sent on behalf of a remote host (RFC 792, RFC 4443
/// §3), for example because a port is closed, or a link behind the guest has a smaller MTU.
@frozen
public struct GuestError: Sendable, BitwiseCopyable {
    /// The reason that the error reports.
    public enum Reason: Equatable, Sendable, BitwiseCopyable {
        /// The packet exceeds this MTU, which is zero if the router did not report it (RFC 1191 §4).
        case packetTooBig(mtu: Int)
        /// Nothing listens on the port.
        case portUnreachable
        /// Destination unreachable with any other code, such as host, network, protocol, or prohibited by policy.
        case unreachable
        /// Time exceeded or parameter problem.
        case other
    }

    public let reason: Reason
    /// The quoted packet: its source is the remote end and its destination the guest.
    public let quoted: QuotedPacket

    /// Reads the error in a frame that was parsed as ICMP or ICMPv6; `nil` if the message is not an error, or does
    /// not quote enough to identify the packet.
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

    /// `ICMPv6Header` reads the headers of both families, which have the same layout but different type numbers.
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

    /// The key from which the owner shard is computed. For TCP this is the key of the connection; for any other
    /// protocol it is the key of the UDP mapping of the guest's address and port.
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
