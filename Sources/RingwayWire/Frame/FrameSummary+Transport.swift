internal import RingwayModel

extension FrameSummary {
    /// Parses the transport header and the payload: `length` bytes at `offset`, all of them inside the frame.
    @inline(__always)
    mutating func parseTransport(
        _ ethernet: UnsafeRawPointer, at offset: UInt16, length: Int, _ offload: Offload
    ) -> DropReason {
        transportOffset = offset
        gsoType = offload.type
        let segment = UnsafeRawBufferPointer(start: ethernet + Int(offset), count: length)
        if protocolNumber == IPProtocol.tcp { return parseTCP(segment, offload) }
        if protocolNumber == IPProtocol.udp { return parseUDP(segment, offload) }
        guard offload.type == VirtioNetHeader.gsoNone else { return .badSegmentation }
        if protocolNumber == (isIPv6 ? IPProtocol.icmpv6 : IPProtocol.icmp) { return parseICMP(segment, offload) }
        kind = .otherProtocol
        payloadOffset = offset
        payloadLength = UInt32(truncatingIfNeeded: length)
        return .none
    }

    @inline(__always)
    private mutating func parseTCP(_ segment: UnsafeRawBufferPointer, _ offload: Offload) -> DropReason {
        kind = .tcp
        guard let header = segment.baseAddress, segment.count >= TCPHeader.minimumLength else { return .truncatedTCP }
        let headerLength = Int(header.byte(12) >> 4) &* 4
        guard headerLength >= TCPHeader.minimumLength, headerLength <= segment.count else { return .badTCPOffset }
        sourcePort = header.word16(0)
        destinationPort = header.word16(2)
        setPayload(headerLength: headerLength, length: segment.count)
        if offload.type != VirtioNetHeader.gsoNone {
            let expected = isIPv6 ? VirtioNetHeader.gsoTCPv6 : VirtioNetHeader.gsoTCPv4
            guard offload.type == expected, offload.segmentSize > 0 else { return .badSegmentation }
            segmentSize = offload.segmentSize
        }
        guard !source.isUnspecified else { return .martianSource }
        guard
            offload.isTrusted(at: transportOffset, checksumOffset: TCPHeader.checksumOffset)
                || sumsUp(segment, protocolNumber: IPProtocol.tcp)
        else { return .badTCPChecksum }
        return .none
    }

    @inline(__always)
    private mutating func parseUDP(_ segment: UnsafeRawBufferPointer, _ offload: Offload) -> DropReason {
        kind = .udp
        guard let header = segment.baseAddress, segment.count >= UDPHeader.length else { return .truncatedUDP }
        let length = Int(header.word16(4))
        guard length >= UDPHeader.length, length <= segment.count else { return .badUDPLength }
        sourcePort = header.word16(0)
        destinationPort = header.word16(2)
        setPayload(headerLength: UDPHeader.length, length: length)
        switch offload.type {
        case VirtioNetHeader.gsoNone:
            break
        case VirtioNetHeader.gsoUDP:
            guard offload.segmentSize > 0 else { return .badSegmentation }
        case VirtioNetHeader.gsoUDPL4:
            // The kernel's limit, UDP_MAX_SEGMENTS, keeps a frame from being segmented into 64 thousand datagrams.
            guard payloadLength <= UInt32(offload.segmentSize) &* Self.datagramLimit else { return .badSegmentation }
            segmentSize = offload.segmentSize
        default:
            return .badSegmentation
        }
        if offload.isTrusted(at: transportOffset, checksumOffset: UDPHeader.checksumOffset) { return .none }
        if header.word16(UDPHeader.checksumOffset) == 0 { return isIPv6 ? .badUDPChecksum : .none }
        let datagram = UnsafeRawBufferPointer(start: header, count: length)
        return sumsUp(datagram, protocolNumber: IPProtocol.udp) ? .none : .badUDPChecksum
    }

    @inline(__always)
    private mutating func parseICMP(_ message: UnsafeRawBufferPointer, _ offload: Offload) -> DropReason {
        kind = isIPv6 ? .icmpv6 : .icmp
        guard let header = message.baseAddress, message.count >= ICMPv4Header.length else { return .truncatedICMP }
        setPayload(headerLength: ICMPv4Header.length, length: message.count)
        let type = header.byte(0)
        let isEcho =
            isIPv6
            ? type == ICMPv6Header.echoRequest || type == ICMPv6Header.echoReply
            : type == ICMPv4Header.echoRequest || type == ICMPv4Header.echoReply
        if isEcho { sourcePort = header.word16(4) }
        if offload.isTrusted(at: transportOffset, checksumOffset: ICMPv4Header.checksumOffset) { return .none }
        let isValid =
            isIPv6
            ? sumsUp(message, protocolNumber: IPProtocol.icmpv6)
            : Checksum.fold(Checksum.partial(message)) == 0xFFFF
        return isValid ? .none : .badICMPChecksum
    }

    /// The most datagrams in one super-frame.
    private static var datagramLimit: UInt32 { 128 }

    @inline(__always)
    private mutating func setPayload(headerLength: Int, length: Int) {
        payloadOffset = transportOffset &+ UInt16(truncatingIfNeeded: headerLength)
        payloadLength = UInt32(truncatingIfNeeded: length &- headerLength)
    }

    @inline(__always)
    private func sumsUp(_ segment: UnsafeRawBufferPointer, protocolNumber: UInt8) -> Bool {
        let pseudoHeader = Checksum.pseudoHeader(
            source: source, destination: destination, protocolNumber: protocolNumber, length: segment.count)
        return Checksum.fold(Checksum.partial(segment, initial: pseudoHeader)) == 0xFFFF
    }
}
