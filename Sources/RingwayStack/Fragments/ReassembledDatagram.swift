public import RingwayModel
internal import RingwayWire

/// A transport datagram reassembled from its fragments.
///
/// `bytes` is in the reassembler's memory and valid until the next call on the reassembler. The transport checksum is
/// not verified: either write the datagram back as one frame and let the parser verify it, or call `isChecksumCorrect`.
public struct ReassembledDatagram: BitwiseCopyable {
    /// The transport header and everything after it.
    public let bytes: UnsafeRawBufferPointer
    /// The sender.
    public let source: IPAddress
    /// The receiver.
    public let destination: IPAddress
    /// The protocol of `bytes`; for IPv6 the next header after the fragment header, which may be a further extension
    /// header.
    public let protocolNumber: UInt8
    /// The hop limit of the first fragment.
    public let hopLimit: UInt8
    /// The traffic class of the first fragment, for IPv4 its type of service.
    public let trafficClass: UInt8
    /// The ethernet source of the first fragment.
    public let sourceMAC: MACAddress
    /// The ethernet destination of the first fragment.
    public let destinationMAC: MACAddress

    /// The length of the datagram as one ethernet frame, in bytes.
    public var frameLength: Int { headers.ethernetLength }

    private var headers: PacketHeaders {
        PacketHeaders(
            from: source, to: destination, protocolNumber: protocolNumber, payloadLength: bytes.count,
            hopLimit: hopLimit, trafficClass: trafficClass)
    }

    /// Writes the datagram as one ethernet frame, even if it exceeds the link's MTU.
    ///
    /// - Returns: `frameLength`, or zero if `frame` is too small.
    public func writeFrame(into frame: UnsafeMutableRawBufferPointer) -> Int {
        guard let message = headers.start(in: frame, from: sourceMAC, to: destinationMAC) else { return 0 }
        message.copyMemory(from: bytes)
        return frameLength
    }

    /// Whether the checksum of TCP, UDP, ICMP or ICMPv6 is right. A UDP datagram over IPv4 may have none (RFC 768);
    /// other protocols are accepted unchecked.
    public var isChecksumCorrect: Bool {
        var sum: UInt64 = 0
        switch protocolNumber {
        case 1 where source.isIPv4:
            break
        case 17:
            guard bytes.count >= 8 else { return false }
            if bytes[6] | bytes[7] == 0 { return source.isIPv4 }
            fallthrough
        case 6, 58:
            sum = Checksum.pseudoHeader(
                source: source, destination: destination, protocolNumber: protocolNumber, length: bytes.count)
        default:
            return true
        }
        return Checksum.fold(Checksum.partial(bytes, initial: sum)) == 0xFFFF
    }
}
