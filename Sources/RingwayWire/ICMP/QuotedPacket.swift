public import RingwayModel

/// The packet that an ICMP error quotes: its flow, TCP sequence number and length.
@frozen
public struct QuotedPacket: Equatable, Sendable, BitwiseCopyable {
    /// The source of the quoted packet.
    public var source: IPAddress
    /// The destination of the quoted packet.
    public var destination: IPAddress
    /// The protocol number of the transport.
    public var protocolNumber: UInt8
    /// The source port of TCP or UDP, the identifier of an echo request, or zero.
    public var sourcePort: UInt16
    /// The destination port of TCP or UDP, or zero.
    public var destinationPort: UInt16
    /// The sequence number of TCP, or zero.
    public var sequence: SequenceNumber
    /// The length of the whole packet in bytes, as its IP header states. The quotation may be shorter.
    public var length: Int

    /// Parses the payload of an ICMP or ICMPv6 error. Returns `nil` if the quoted IP header or an extension header is
    /// invalid, if fewer than eight bytes follow them (RFC 792), or if the packet is a fragment other than the first.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        let transport: UnsafeRawBufferPointer
        if let header = IPv4Header(quoted: bytes) {
            guard header.fragmentOffset == 0 else { return nil }
            source = IPAddress(header.source)
            destination = IPAddress(header.destination)
            protocolNumber = header.protocolNumber
            length = header.totalLength
            transport = header.payload
        } else if let header = IPv6Header(quoted: bytes),
            let extensions = IPv6ExtensionHeaders.walk(firstHeader: header.nextHeader, payload: header.payload)
        {
            guard extensions.fragment?.offset ?? 0 == 0 else { return nil }
            source = IPAddress(header.source)
            destination = IPAddress(header.destination)
            protocolNumber = extensions.finalProtocol
            length = IPv6Header.length + Int(header.payloadLength)
            transport = UnsafeRawBufferPointer(rebasing: header.payload[extensions.offset...])
        } else {
            return nil
        }
        guard let base = transport.baseAddress, transport.count >= 8 else { return nil }
        sourcePort = 0
        destinationPort = 0
        sequence = SequenceNumber(0)
        if protocolNumber == IPProtocol.tcp { sequence = SequenceNumber(base.word32(4)) }
        switch protocolNumber {
        case IPProtocol.tcp, IPProtocol.udp:
            sourcePort = base.word16(0)
            destinationPort = base.word16(2)
        case IPProtocol.icmp where base.byte(0) == ICMPv4Header.echoRequest,
            IPProtocol.icmpv6 where base.byte(0) == ICMPv6Header.echoRequest:
            sourcePort = base.word16(4)
        default:
            break
        }
    }
}
