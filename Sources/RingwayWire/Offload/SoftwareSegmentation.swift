/// Performs the offloads of a virtio-net header in software: completes checksums and splits super-frames into segments,
/// each written directly to its send buffer.
///
/// The stack builds a frame in two pieces. The first piece starts with the virtio-net header and contains all other
/// headers. The payload is the rest of the first piece, followed by the second piece. Both pieces must stay valid
/// until `isDone`. A frame may come from a hostile guest: inconsistent headers are refused before a byte is written,
/// and a checksum is never written over the ethernet or IP header, whose addresses have been checked already.
///
/// The result is the same as Linux's: sequence numbers advance, the IPv4 identification increments, FIN and PSH are in
/// the last segment and CWR in the first (RFC 9293, RFC 6864, RFC 3168).
public struct SoftwareSegmentation: BitwiseCopyable {
    /// Why a frame is refused.
    public enum Refusal: UInt8, Sendable, BitwiseCopyable {
        /// The frame is valid.
        case none
        /// The headers are incomplete or not entirely in the first piece, or the frame has offloads but no IP packet.
        case truncated
        /// The virtio-net header places the checksum outside the frame, or inside the ethernet or IP header. Or it
        /// requests segmentation without a checksum, or with one that is not in the transport header's checksum field.
        case checksumMisplaced
        /// The segmentation type is unknown or does not match the packet, for example a fragment.
        case segmentationUnknown
        /// For TCP, the segment size is less than `leastTCPSegment`. For UDP, it is zero or gives more than
        /// `mostDatagrams` datagrams.
        case segmentsTooSmall
        /// The length in the IP header exceeds the frame, or is less than the headers.
        case badLength
    }

    /// What is to be done with the frame.
    enum Task: UInt8, BitwiseCopyable {
        case copy, completeChecksum, cutTCP, cutUDP
    }

    /// The kernel's limit, TCP_MIN_GSO_SIZE: no real sender uses smaller segments.
    static var leastTCPSegment: Int { 8 }
    /// The kernel's limit, UDP_MAX_SEGMENTS.
    static var mostDatagrams: Int { 128 }

    var task = Task.copy
    var isIPv6 = false
    /// Whether all resulting frames have been written.
    public internal(set) var isDone = true
    /// The headers from the ethernet header on, which are copied to the start of every segment.
    var headers: UnsafeRawPointer
    var headersLength = 0
    /// `first` is the part of the payload in the first piece, `second` the part in the second piece. The headers of a
    /// frame that is not segmented count as payload.
    var first: UnsafeRawPointer
    var firstLength = 0
    var second: UnsafeRawPointer
    var payloadLength = 0
    /// Bytes of payload that have been written.
    var position = 0
    var segmentSize = 0
    /// The number of segments that have been written.
    var number = 0
    /// Offsets from the ethernet header: `transport` is where summing starts, in TCP and UDP the transport header;
    /// `checksum` is the checksum field.
    var transport = 0
    var checksum = 0
    /// The partial sum of the pseudo-header, without its length field.
    var pseudoHeader: UInt64 = 0

    /// Creates a value that has no frame to write. `place` may be any address, because it is not read.
    public init(at place: UnsafeRawPointer) {
        headers = place
        first = place
        second = place
    }

    /// Checks a frame's headers. If the result is `none`, `writeNext` writes the resulting frames one by one.
    ///
    /// - Parameters:
    ///   - head: the virtio-net header and all bytes contiguous with it.
    ///   - payload: the rest of the frame.
    public mutating func prepare(_ head: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer) -> Refusal {
        guard let base = head.baseAddress, let virtio = VirtioNetHeader(head) else { return .truncated }
        self = SoftwareSegmentation(at: base)
        let count = head.count - VirtioNetHeader.length
        guard count >= EthernetHeader.length else { return .truncated }
        headers = base + VirtioNetHeader.length
        if let address = payload.baseAddress { second = address }
        let type = virtio.gsoType & ~VirtioNetHeader.gsoECN
        let isPartial = virtio.flags & VirtioNetHeader.needsChecksum != 0
        let refusal: Refusal
        if type != VirtioNetHeader.gsoNone {
            refusal = isPartial ? prepareCut(virtio, type, count: count, payload.count) : .checksumMisplaced
        } else {
            first = headers
            firstLength = count
            payloadLength = count + payload.count
            segmentSize = payloadLength
            refusal = isPartial ? prepareChecksum(virtio, count: count) : .none
        }
        isDone = refusal != .none
        return refusal
    }

    private mutating func prepareChecksum(_ virtio: VirtioNetHeader, count: Int) -> Refusal {
        transport = Int(virtio.checksumStart)
        checksum = transport + Int(virtio.checksumOffset)
        guard let end = networkHeaderEnd(count: count) else { return .truncated }
        guard transport >= end, checksum + 2 <= payloadLength else { return .checksumMisplaced }
        task = .completeChecksum
        return .none
    }

    /// The offset of the first byte after the IPv4 header or fixed IPv6 header; `nil` if that header is incomplete, or
    /// the frame has no IP packet.
    private mutating func networkHeaderEnd(count: Int) -> Int? {
        let network = EthernetHeader.length
        switch headers.word16(12) {
        case EtherType.ipv4:
            guard count >= network + IPv4Header.minimumLength else { return nil }
            let length = Int(headers.byte(network) & 0x0F) * 4
            guard length >= IPv4Header.minimumLength, network + length <= count else { return nil }
            return network + length
        case EtherType.ipv6:
            guard count >= network + IPv6Header.length else { return nil }
            isIPv6 = true
            return network + IPv6Header.length
        default: return nil
        }
    }

    private mutating func prepareCut(_ virtio: VirtioNetHeader, _ type: UInt8, count: Int, _ more: Int) -> Refusal {
        guard let end = networkHeaderEnd(count: count) else { return .truncated }
        let protocolNumber: UInt8
        switch type {
        case VirtioNetHeader.gsoTCPv4 where !isIPv6, VirtioNetHeader.gsoTCPv6 where isIPv6:
            protocolNumber = IPProtocol.tcp
            task = .cutTCP
        case VirtioNetHeader.gsoUDPL4:
            protocolNumber = IPProtocol.udp
            task = .cutUDP
        default: return .segmentationUnknown
        }
        let ip = headers + EthernetHeader.length
        transport = Int(virtio.checksumStart)
        let packetEnd: Int
        if isIPv6 {
            packetEnd = end + Int(ip.word16(4))
            guard isTransport(protocolNumber, behind: end, count: count) else { return .segmentationUnknown }
        } else {
            packetEnd = EthernetHeader.length + Int(ip.word16(2))
            guard ip.byte(9) == protocolNumber, ip.word16(6) & 0x3FFF == 0 else { return .segmentationUnknown }
            guard transport == end else { return .checksumMisplaced }
        }
        guard packetEnd <= count + more else { return .badLength }
        let refusal =
            task == .cutTCP
            ? prepareTCP(count: count, segmentSize: Int(virtio.gsoSize))
            : prepareUDP(count: count, segmentSize: Int(virtio.gsoSize))
        guard refusal == .none else { return refusal }
        guard checksum == transport + Int(virtio.checksumOffset) else { return .checksumMisplaced }
        guard packetEnd >= headersLength else { return .badLength }
        payloadLength = packetEnd - headersLength
        guard task == .cutTCP || payloadLength <= segmentSize * Self.mostDatagrams else { return .segmentsTooSmall }
        first = headers + headersLength
        firstLength = min(count - headersLength, payloadLength)
        pseudoHeader = Self.pseudoHeader(ip, isIPv6: isIPv6, protocolNumber)
        return .none
    }

    /// Whether summing starts at a header of this protocol, after the fixed IPv6 header and any extension headers.
    /// False for a fragment.
    private func isTransport(_ protocolNumber: UInt8, behind end: Int, count: Int) -> Bool {
        let next = headers.byte(EthernetHeader.length + 6)
        if transport == end { return next == protocolNumber }
        guard transport > end, transport <= count else { return false }
        let rest = UnsafeRawBufferPointer(start: headers + end, count: count - end)
        guard let extensions = IPv6ExtensionHeaders.walk(firstHeader: next, payload: rest) else { return false }
        return extensions.fragment == nil && extensions.finalProtocol == protocolNumber
            && end + extensions.offset == transport
    }

    private mutating func prepareTCP(count: Int, segmentSize: Int) -> Refusal {
        guard transport + TCPHeader.minimumLength <= count else { return .truncated }
        let length = Int(headers.byte(transport + 12) >> 4) * 4
        guard length >= TCPHeader.minimumLength, transport + length <= count else { return .truncated }
        guard segmentSize >= Self.leastTCPSegment else { return .segmentsTooSmall }
        headersLength = transport + length
        checksum = transport + TCPHeader.checksumOffset
        self.segmentSize = segmentSize
        return .none
    }

    private mutating func prepareUDP(count: Int, segmentSize: Int) -> Refusal {
        guard transport + UDPHeader.length <= count else { return .truncated }
        guard segmentSize > 0 else { return .segmentsTooSmall }
        headersLength = transport + UDPHeader.length
        checksum = transport + UDPHeader.checksumOffset
        self.segmentSize = segmentSize
        return .none
    }

    /// The partial sum of the pseudo-header except the length, common to all segments.
    private static func pseudoHeader(_ ip: UnsafeRawPointer, isIPv6: Bool, _ protocolNumber: UInt8) -> UInt64 {
        let from = isIPv6 ? 8 : 12
        let to = isIPv6 ? IPv6Header.length : IPv4Header.minimumLength
        return Checksum.ipv4Header(ip + from, length: to - from) &+ UInt64(UInt16(protocolNumber).bigEndian)
    }
}

extension SoftwareSegmentation {
    /// The length of the next resulting frame; zero when all are written.
    public var nextLength: Int { isDone ? 0 : headersLength &+ min(segmentSize, payloadLength &- position) }

    /// Writes the next resulting frame, `nextLength` bytes from its ethernet header on, to `target`.
    public mutating func writeNext(to target: UnsafeMutableRawPointer) {
        precondition(!isDone, "a frame has been written as a whole already")
        switch task {
        case .copy: writeCopy(target)
        case .completeChecksum: writeCompleted(target)
        case .cutTCP, .cutUDP: return writeSegment(target)
        }
        isDone = true
    }

    private func writeCopy(_ target: UnsafeMutableRawPointer) {
        target.copyMemory(from: first, byteCount: firstLength)
        guard payloadLength > firstLength else { return }
        (target + firstLength).copyMemory(from: second, byteCount: payloadLength &- firstLength)
    }

    /// The checksum field holds the sum of the pseudo-header, so it is summed like any other bytes.
    private func writeCompleted(_ target: UnsafeMutableRawPointer) {
        _ = copyPayload(to: target, from: 0, count: transport)
        let sum = copyPayload(to: target + transport, from: transport, count: payloadLength &- transport)
        target.storeBytes(of: Checksum.finishUDP(sum), toByteOffset: checksum, as: UInt16.self)
    }

    @inline(__always)
    private mutating func writeSegment(_ target: UnsafeMutableRawPointer) {
        let size = min(segmentSize, payloadLength &- position)
        target.copyMemory(from: headers, byteCount: headersLength)
        var sum = copyPayload(to: target + headersLength, from: position, count: size)
        writeNetworkLength(target + EthernetHeader.length, size)
        let header = target + transport
        target.storeBytes(of: 0, toByteOffset: checksum, as: UInt16.self)
        if task == .cutTCP {
            writeTCP(header, isLast: position &+ size == payloadLength)
        } else {
            header.store16(UInt16(truncatingIfNeeded: UDPHeader.length &+ size), 4)
        }
        let transportLength = headersLength &- transport
        sum = Checksum.sum(sum, Checksum.ipv4Header(header, length: transportLength))
        sum = Checksum.sum(sum, pseudoHeader)
        sum = Checksum.sum(sum, UInt64(UInt32(truncatingIfNeeded: transportLength &+ size).bigEndian))
        target.storeBytes(of: Checksum.finishUDP(sum), toByteOffset: checksum, as: UInt16.self)
        position &+= size
        number &+= 1
        isDone = position == payloadLength
    }

    @inline(__always)
    private func writeNetworkLength(_ ip: UnsafeMutableRawPointer, _ size: Int) {
        let length = headersLength &- EthernetHeader.length &+ size
        guard !isIPv6 else { return ip.store16(UInt16(truncatingIfNeeded: length &- IPv6Header.length), 4) }
        ip.store16(UInt16(truncatingIfNeeded: length), 2)
        ip.store16(UnsafeRawPointer(ip).word16(4) &+ UInt16(truncatingIfNeeded: number), 4)
        ip.storeBytes(of: 0, toByteOffset: 10, as: UInt16.self)
        let sum = Checksum.ipv4Header(ip, length: transport &- EthernetHeader.length)
        ip.storeBytes(of: Checksum.finish(sum), toByteOffset: 10, as: UInt16.self)
    }

    @inline(__always)
    private func writeTCP(_ header: UnsafeMutableRawPointer, isLast: Bool) {
        let sequence = UInt32(bigEndian: UnsafeRawPointer(header).loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        header.storeBytes(
            of: (sequence &+ UInt32(truncatingIfNeeded: position)).bigEndian, toByteOffset: 4, as: UInt32.self)
        var flags = UnsafeRawPointer(header).byte(13)
        if !isLast { flags &= ~(TCPFlags.fin.rawValue | TCPFlags.psh.rawValue) }
        if number > 0 { flags &= ~TCPFlags.cwr.rawValue }
        header.store8(flags, 13)
    }

    /// Copies bytes of the payload from one piece or both, and sums them as if they began at an even offset.
    @inline(__always)
    private func copyPayload(to target: UnsafeMutableRawPointer, from start: Int, count: Int) -> UInt64 {
        guard start < firstLength else {
            return Checksum.copy(
                UnsafeRawBufferPointer(start: second + (start &- firstLength), count: count), to: target)
        }
        let near = min(count, firstLength &- start)
        let sum = Checksum.copy(UnsafeRawBufferPointer(start: first + start, count: near), to: target)
        guard near < count else { return sum }
        let rest = Checksum.copy(UnsafeRawBufferPointer(start: second, count: count &- near), to: target + near)
        return Checksum.sum(sum, near & 1 == 0 ? rest : Checksum.shifted(rest))
    }
}
