public import RingwayWire

/// A transport datagram put together from its fragments.
///
/// `bytes` lie in the reassembler's memory and are valid until the next call on it. The transport checksum has not been
/// looked at: whoever writes the datagram back as one frame and parses that has it checked there, and whoever uses the
/// bytes directly asks `isChecksumCorrect`.
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
    /// Of the first fragment.
    public let hopLimit: UInt8
    /// Of the first fragment; type of service for IPv4.
    public let trafficClass: UInt8
    /// The ethernet source of the first fragment.
    public let sourceMAC: MACAddress
    /// The ethernet destination of the first fragment.
    public let destinationMAC: MACAddress

    /// Bytes that the datagram takes as a single frame.
    public var frameLength: Int { headers.ethernetLength }

    private var headers: PacketHeaders {
        PacketHeaders(
            from: source, to: destination, protocolNumber: protocolNumber, payloadLength: bytes.count,
            hopLimit: hopLimit, trafficClass: trafficClass)
    }

    /// Writes the datagram as the one ethernet frame its sender would have sent on a link without an MTU.
    ///
    /// - Returns: `frameLength`, or zero when it does not fit.
    public func writeFrame(into frame: UnsafeMutableRawBufferPointer) -> Int {
        guard let message = headers.start(in: frame, from: sourceMAC, to: destinationMAC) else { return 0 }
        message.copyMemory(from: bytes)
        return frameLength
    }

    /// Whether the checksum of TCP, UDP, ICMP or ICMPv6 is right. A UDP datagram over IPv4 may go without (RFC 768);
    /// other protocols are taken as they are.
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
