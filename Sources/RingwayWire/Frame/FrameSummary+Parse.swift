internal import RingwayModel

extension FrameSummary {
    /// Checks and locates every header of a frame, starting with the virtio-net header. Returns why the frame is
    /// invalid, or `.none`.
    ///
    /// Called once per frame: it reads each header once, checks every length before reading beyond it, allocates
    /// nothing, and reads the payload only to verify a checksum. A transport checksum is trusted if the virtio-net
    /// header marks it as partial (at the right offset) or as already verified; the checksum of an IPv4 header is
    /// always verified. After a result other than `.none` the summary holds the fields found so far.
    #if !DEBUG
        // With `@_noLocks` the compiler checks that the function neither locks nor allocates. The check needs
        // whole-module optimisation and therefore an optimized build.
        @_noLocks
    #endif
    public static func parse(_ frame: UnsafeRawBufferPointer, into summary: inout FrameSummary) -> DropReason {
        summary = FrameSummary()
        guard let start = frame.baseAddress, frame.count >= VirtioNetHeader.length else {
            return .truncatedVirtioHeader
        }
        let count = frame.count &- VirtioNetHeader.length
        guard count >= EthernetHeader.length else { return .truncatedEthernet }
        let offload = Offload(start)
        let ethernet = start + VirtioNetHeader.length
        summary.sourceMAC = MACAddress(loadingFrom: ethernet + 6)
        summary.networkOffset = UInt16(EthernetHeader.length)
        guard !summary.sourceMAC.isMulticast else { return .martianSource }
        switch ethernet.word16(12) {
        case EtherType.ipv4: return summary.parseIPv4(ethernet, count: count, offload)
        case EtherType.ipv6: return summary.parseIPv6(ethernet, count: count, offload)
        case EtherType.arp: return summary.parseARP(ethernet, count: count)
        default: return .unknownEtherType
        }
    }

    @inline(__always)
    private mutating func parseIPv4(_ ethernet: UnsafeRawPointer, count: Int, _ offload: Offload) -> DropReason {
        let header = ethernet + EthernetHeader.length
        let available = count &- EthernetHeader.length
        guard available >= IPv4Header.minimumLength else { return .truncatedIPv4 }
        guard header.byte(0) >> 4 == 4 else { return .badIPv4Version }
        let headerLength = Int(header.byte(0) & 0x0F) &* 4
        guard headerLength >= IPv4Header.minimumLength, headerLength <= available else { return .badIPv4HeaderLength }
        guard Checksum.fold(Checksum.ipv4Header(header, length: headerLength)) == 0xFFFF else {
            return .badIPv4Checksum
        }
        let totalLength = Int(header.word16(2))
        guard totalLength >= headerLength, totalLength <= available else { return .badIPv4Length }

        let sender = IPv4Address(loadingFrom: header + 12)
        let receiver = IPv4Address(loadingFrom: header + 16)
        source = IPAddress(sender)
        destination = IPAddress(receiver)
        trafficClass = header.byte(1)
        hopLimit = header.byte(8)
        protocolNumber = header.byte(9)
        guard !sender.isMulticast, !sender.isLoopback, !sender.isBroadcast else { return .martianSource }
        guard !receiver.isLoopback, !receiver.isUnspecified else { return .martianDestination }

        let transport = Self.offset(EthernetHeader.length &+ headerLength)
        let fragmentation = header.word16(6)
        dontFragment = fragmentation & 0x4000 != 0
        // The bits "more fragments" and "fragment offset", but not "don't fragment".
        if fragmentation & 0x3FFF != 0 {
            return parseFragment(at: transport, length: totalLength &- headerLength, offload)
        }
        return parseTransport(ethernet, at: transport, length: totalLength &- headerLength, offload)
    }

    @inline(__always)
    private mutating func parseIPv6(_ ethernet: UnsafeRawPointer, count: Int, _ offload: Offload) -> DropReason {
        let header = ethernet + EthernetHeader.length
        let available = count &- EthernetHeader.length
        isIPv6 = true
        dontFragment = true
        guard available >= IPv6Header.length, header.byte(0) >> 4 == 6 else { return .truncatedIPv6 }
        var length = Int(header.word16(4))
        guard length <= available &- IPv6Header.length else { return .badIPv6Length }

        let sender = IPv6Address(loadingFrom: header + 8)
        let receiver = IPv6Address(loadingFrom: header + 24)
        source = IPAddress(sender)
        destination = IPAddress(receiver)
        trafficClass = UInt8(truncatingIfNeeded: header.word16(0) >> 4)
        hopLimit = header.byte(7)
        protocolNumber = header.byte(6)
        guard !sender.isMulticast, !sender.isLoopback, !sender.isIPv4Mapped else { return .martianSource }
        guard !receiver.isLoopback, !receiver.isUnspecified, !receiver.isIPv4Mapped else { return .martianDestination }

        var transport = EthernetHeader.length &+ IPv6Header.length
        if protocolNumber != IPProtocol.tcp, protocolNumber != IPProtocol.udp {
            let payload = UnsafeRawBufferPointer(start: ethernet + transport, count: length)
            guard let extensions = IPv6ExtensionHeaders.walk(firstHeader: protocolNumber, payload: payload) else {
                return .badExtensionHeaders
            }
            transport &+= extensions.offset
            length &-= extensions.offset
            protocolNumber = extensions.finalProtocol
            if extensions.fragment != nil {
                return parseFragment(at: Self.offset(transport), length: length, offload)
            }
        }
        return parseTransport(ethernet, at: Self.offset(transport), length: length, offload)
    }

    /// Accepts a fragment only without offloads: it cannot be a super-frame, and its transport checksum was completed
    /// before fragmentation.
    @inline(__always)
    private mutating func parseFragment(at offset: UInt16, length: Int, _ offload: Offload) -> DropReason {
        kind = .fragment
        transportOffset = offset
        payloadOffset = offset
        payloadLength = UInt32(truncatingIfNeeded: length)
        return offload.type == VirtioNetHeader.gsoNone && !offload.isPartial ? .none : .badSegmentation
    }

    @inline(__always)
    private mutating func parseARP(_ ethernet: UnsafeRawPointer, count: Int) -> DropReason {
        kind = .arp
        transportOffset = networkOffset
        payloadOffset = networkOffset
        let bytes = UnsafeRawBufferPointer(
            start: ethernet + EthernetHeader.length, count: count &- EthernetHeader.length)
        guard bytes.count >= ARPPacket.length else { return .truncatedARP }
        guard let packet = ARPPacket(bytes) else { return .badARP }
        guard packet.operation == ARPPacket.request || packet.operation == ARPPacket.reply else { return .badARP }
        let sender = packet.senderIP
        source = IPAddress(sender)
        destination = IPAddress(packet.targetIP)
        payloadLength = UInt32(ARPPacket.length)
        guard !sender.isMulticast, !sender.isLoopback, !sender.isBroadcast, !packet.senderMAC.isMulticast else {
            return .martianSource
        }
        return .none
    }

    /// An offset from the ethernet header in 16 bits. No offset is truncated: the headers are far shorter than 64 KiB,
    /// because the number of extension headers is limited and the length of each has 8 bits.
    @inline(__always)
    private static func offset(_ bytes: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: bytes)
    }
}
