public import RingwayModel

/// The fields of a guest's frame that the stack and the forwarding between guests need, collected in one pass over
/// the headers.
///
/// Offsets count from the first byte of the *ethernet* header, which follows the twelve bytes of the virtio-net header.
/// The summary fits one cache line.
@frozen
public struct FrameSummary: BitwiseCopyable, Sendable {
    /// The protocol of the frame.
    @frozen
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// ARP; `source` and `destination` are the sender's and the target's addresses.
        case arp
        /// A TCP segment or super-frame.
        case tcp
        /// A UDP datagram, or a super-frame of several.
        case udp
        /// ICMP for IPv4.
        case icmp
        /// ICMPv6, including neighbour discovery.
        case icmpv6
        /// A fragment of an IP packet. The transport header is not parsed: `transportOffset` and `payloadOffset` are
        /// both the offset of the fragment's data.
        case fragment
        /// An IP packet of another protocol; `transportOffset` and `payloadOffset` both point to the IP payload.
        case otherProtocol
    }

    /// The source address.
    public var source: IPAddress
    /// The destination address.
    public var destination: IPAddress
    /// The sender's ethernet address.
    public var sourceMAC: MACAddress
    /// Payload bytes after the transport header, according to the IP and UDP lengths, without padding.
    public var payloadLength: UInt32
    /// The offset of the IP or ARP header.
    public var networkOffset: UInt16
    /// The offset of the transport header.
    public var transportOffset: UInt16
    /// The offset of the transport's payload. The payload of ICMP starts after the first eight bytes of the message.
    public var payloadOffset: UInt16
    /// The source port of TCP or UDP, the identifier of an echo, or zero.
    public var sourcePort: UInt16
    /// The destination port of TCP or UDP, or zero.
    public var destinationPort: UInt16
    /// Bytes of payload in each segment of a super-frame. Zero for an ordinary frame, and for one UDP datagram that
    /// exceeds the link's MTU and is to be fragmented (`VirtioNetHeader.gsoUDP`).
    public var segmentSize: UInt16
    /// The protocol of the frame.
    public var kind: Kind
    /// Whether the network header is IPv6.
    public var isIPv6: Bool
    /// The remaining hops.
    public var hopLimit: UInt8
    /// Differentiated services and ECN.
    public var trafficClass: UInt8
    /// The transport's protocol number, after any extension headers.
    public var protocolNumber: UInt8
    /// The virtio-net segmentation type without its ECN bit.
    public var gsoType: UInt8

    /// DF: routers must not fragment the packet. Always true of IPv6, whose routers never fragment.
    public var dontFragment: Bool

    /// An empty summary.
    @inlinable
    public init() {
        source = IPAddress(high: 0, low: 0)
        destination = IPAddress(high: 0, low: 0)
        sourceMAC = MACAddress(rawValue: 0)
        payloadLength = 0
        networkOffset = 0
        transportOffset = 0
        payloadOffset = 0
        sourcePort = 0
        destinationPort = 0
        segmentSize = 0
        kind = .otherProtocol
        isIPv6 = false
        hopLimit = 0
        trafficClass = 0
        protocolNumber = 0
        gsoType = 0
        dontFragment = false
    }
}
