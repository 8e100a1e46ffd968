/// Why a frame from a guest is dropped; `none` if it is valid.
@frozen
public enum DropReason: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    /// The frame is valid.
    case none
    /// The frame is shorter than the twelve bytes of a virtio-net header.
    case truncatedVirtioHeader
    /// The frame is too short for an ethernet header.
    case truncatedEthernet
    /// The ethernet type is none of IPv4, IPv6 and ARP.
    case unknownEtherType
    /// The packet is too short for an IPv4 header.
    case truncatedIPv4
    /// The version field contradicts the ethernet type.
    case badIPv4Version
    /// The header length is below twenty bytes or beyond the packet.
    case badIPv4HeaderLength
    /// The header's checksum is wrong.
    case badIPv4Checksum
    /// The total length is less than the header length, for example zero as in BIG TCP, or extends past the frame.
    case badIPv4Length
    /// The packet is too short for an IPv6 header, or has another version.
    case truncatedIPv6
    /// The payload length is beyond the frame.
    case badIPv6Length
    /// The extension headers exceed the packet, are too many or in an invalid order, or a routing header has segments
    /// left.
    case badExtensionHeaders
    /// The packet is too short for a TCP header.
    case truncatedTCP
    /// The data offset is below twenty bytes or beyond the segment.
    case badTCPOffset
    /// The segment's checksum is wrong.
    case badTCPChecksum
    /// `TCPOptions.parse` refused the options of a SYN. `FrameSummary.parse` does not check options.
    case badTCPOptions
    /// The packet is too short for a UDP header.
    case truncatedUDP
    /// The length field is below eight bytes or beyond the packet.
    case badUDPLength
    /// The checksum is wrong, or is missing over IPv6.
    case badUDPChecksum
    /// The packet is too short for an ICMP header.
    case truncatedICMP
    /// The ICMP message's checksum is wrong.
    case badICMPChecksum
    /// The frame is too short for an ARP packet.
    case truncatedARP
    /// The ARP packet is not for IPv4 over ethernet, or its operation is neither request nor reply.
    case badARP
    /// The virtio-net header requests a segmentation that does not match the packet or gives too many datagrams, or it
    /// requests a checksum for a fragment.
    case badSegmentation
    /// A source that no host can have: a multicast ethernet address, or an IP address that is multicast, broadcast,
    /// loopback, IPv4-mapped, or unspecified in TCP.
    case martianSource
    /// A destination that must not appear on a wire: loopback, unspecified or IPv4-mapped.
    case martianDestination

    /// The name of the counter, such as `badTCPChecksum`.
    public var name: String {
        switch self {
        case .none: "none"
        case .truncatedVirtioHeader: "truncatedVirtioHeader"
        case .truncatedEthernet: "truncatedEthernet"
        case .unknownEtherType: "unknownEtherType"
        case .truncatedIPv4: "truncatedIPv4"
        case .badIPv4Version: "badIPv4Version"
        case .badIPv4HeaderLength: "badIPv4HeaderLength"
        case .badIPv4Checksum: "badIPv4Checksum"
        case .badIPv4Length: "badIPv4Length"
        case .truncatedIPv6: "truncatedIPv6"
        case .badIPv6Length: "badIPv6Length"
        case .badExtensionHeaders: "badExtensionHeaders"
        case .truncatedTCP: "truncatedTCP"
        case .badTCPOffset: "badTCPOffset"
        case .badTCPChecksum: "badTCPChecksum"
        case .badTCPOptions: "badTCPOptions"
        case .truncatedUDP: "truncatedUDP"
        case .badUDPLength: "badUDPLength"
        case .badUDPChecksum: "badUDPChecksum"
        case .truncatedICMP: "truncatedICMP"
        case .badICMPChecksum: "badICMPChecksum"
        case .truncatedARP: "truncatedARP"
        case .badARP: "badARP"
        case .badSegmentation: "badSegmentation"
        case .martianSource: "martianSource"
        case .martianDestination: "martianDestination"
        }
    }
}
