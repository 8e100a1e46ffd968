internal import RingwayModel
internal import RingwayWire

/// The headers before the transport header of an IPv4 or IPv6 packet.
struct PacketHeaders {
    let source: IPAddress
    let destination: IPAddress
    let protocolNumber: UInt8
    /// Bytes of the transport header and its payload.
    let payloadLength: Int
    let hopLimit: UInt8
    /// Differentiated services and ECN.
    let trafficClass: UInt8
    /// The offset and identification of a fragment, for both families; `nil` if the packet is not a fragment.
    let fragment: IPv6ExtensionHeaders.Fragment?

    /// The segmentation offload of a super-frame.
    struct Segmentation {
        /// One of the GSO types of `VirtioNetHeader`.
        var type: UInt8 = 0
        /// Payload bytes of each packet; zero for a frame with one packet.
        var size = 0
    }

    @inline(__always)
    init(
        from source: IPAddress, to destination: IPAddress, protocolNumber: UInt8, payloadLength: Int,
        hopLimit: UInt8 = 64, trafficClass: UInt8 = 0, fragment: IPv6ExtensionHeaders.Fragment? = nil
    ) {
        self.source = source
        self.destination = destination
        self.protocolNumber = protocolNumber
        self.payloadLength = payloadLength
        self.hopLimit = hopLimit
        self.trafficClass = trafficClass
        self.fragment = fragment
    }

    @inline(__always) var isIPv4: Bool { source.isIPv4 }

    /// Bytes of the IP header, including the IPv6 fragment header.
    @inline(__always) var ipLength: Int {
        Self.ipLength(isIPv4: isIPv4) &+ (fragment == nil || isIPv4 ? 0 : IPv6ExtensionHeaders.Fragment.headerLength)
    }

    /// Bytes of the packet as an ethernet frame.
    @inline(__always) var ethernetLength: Int { EthernetHeader.length &+ ipLength &+ payloadLength }

    @inline(__always)
    static func ipLength(isIPv4: Bool) -> Int { isIPv4 ? IPv4Header.minimumLength : IPv6Header.length }

    /// Bytes before the transport header in a frame, virtio-net header included.
    @inline(__always)
    static func frameLength(isIPv4: Bool) -> Int {
        VirtioNetHeader.length &+ EthernetHeader.length &+ ipLength(isIPv4: isIPv4)
    }

    /// Writes the IP header.
    @inline(__always)
    func writeIP(to target: UnsafeMutableRawPointer) {
        if isIPv4 {
            IPv4Fields(
                source: source.ipv4, destination: destination.ipv4, protocolNumber: protocolNumber,
                payloadLength: payloadLength, timeToLive: hopLimit,
                identification: UInt16(truncatingIfNeeded: fragment?.identification ?? 0),
                dontFragment: fragment == nil, moreFragments: fragment?.more ?? false,
                fragmentOffset: fragment?.offset ?? 0, typeOfService: trafficClass
            ).write(to: target)
        } else {
            let extensions = ipLength &- IPv6Header.length
            IPv6Fields(
                source: source.ipv6, destination: destination.ipv6,
                nextHeader: fragment == nil ? protocolNumber : IPProtocol.fragment,
                payloadLength: extensions &+ payloadLength, hopLimit: hopLimit, trafficClass: trafficClass
            ).write(to: target)
            fragment?.write(to: target + IPv6Header.length, nextHeader: protocolNumber)
        }
    }

    /// Writes ethernet and IP headers.
    @inline(__always)
    func writeEthernet(
        to target: UnsafeMutableRawPointer, from sourceMAC: MACAddress, to destinationMAC: MACAddress
    ) {
        EthernetFields(
            destination: destinationMAC, source: sourceMAC, etherType: isIPv4 ? EtherType.ipv4 : EtherType.ipv6
        ).write(to: target)
        writeIP(to: target + EthernetHeader.length)
    }

    /// Writes the ethernet and IP headers of a frame. The caller writes the payload.
    ///
    /// - Returns: the memory for the payload; `nil` if the frame does not fit.
    @inline(__always)
    func start(
        in frame: UnsafeMutableRawBufferPointer, from sourceMAC: MACAddress, to destinationMAC: MACAddress
    ) -> UnsafeMutableRawBufferPointer? {
        guard let base = frame.baseAddress, payloadLength >= 0, frame.count >= ethernetLength else { return nil }
        writeEthernet(to: base, from: sourceMAC, to: destinationMAC)
        return UnsafeMutableRawBufferPointer(start: base + EthernetHeader.length + ipLength, count: payloadLength)
    }

    /// Writes the checksum of a complete ICMP message, whose checksum field must be zero. ICMP has no pseudo-header
    /// (RFC 792), ICMPv6 has one (RFC 4443 §2.3).
    func sealICMP(_ message: UnsafeMutableRawBufferPointer) {
        let pseudoHeader =
            isIPv4
            ? 0
            : Checksum.pseudoHeader(
                source: source, destination: destination, protocolNumber: protocolNumber, length: message.count)
        let checksum = Checksum.finish(Checksum.partial(UnsafeRawBufferPointer(message), initial: pseudoHeader))
        message.storeBytes(of: checksum, toByteOffset: ICMPv4Header.checksumOffset, as: UInt16.self)
    }

    /// Writes virtio-net, ethernet and IP headers that end where the transport header starts. The transport's
    /// checksum is left incomplete (VIRTIO_NET_HDR_F_NEEDS_CSUM); `writePseudoHeader` writes its initial value. The
    /// guest's kernel completes it, or `SoftwareSegmentation` on a link without virtio-net headers.
    ///
    /// - Parameters:
    ///   - checksumOffset: the offset of the checksum in the transport header.
    ///   - headerLength: bytes of the transport header.
    @inline(__always)
    func writeFrame(
        before transport: UnsafeMutableRawPointer, from sourceMAC: MACAddress, to destinationMAC: MACAddress,
        checksumOffset: Int, headerLength: Int, _ segmentation: Segmentation
    ) {
        let networkLength = EthernetHeader.length &+ ipLength
        var virtio = VirtioNetFields()
        virtio.flags = VirtioNetHeader.needsChecksum
        virtio.checksumStart = UInt16(networkLength)
        virtio.checksumOffset = UInt16(checksumOffset)
        if segmentation.size > 0 {
            virtio.gsoType = segmentation.type
            virtio.gsoSize = UInt16(truncatingIfNeeded: segmentation.size)
            virtio.headerLength = UInt16(networkLength &+ headerLength)
        }
        virtio.write(to: transport - networkLength - VirtioNetHeader.length)
        writeEthernet(to: transport - networkLength, from: sourceMAC, to: destinationMAC)
    }

    /// Writes the sum of the pseudo-header (RFC 9293 §3.1, RFC 768) to the checksum field.
    @inline(__always)
    func writePseudoHeader(at checksum: UnsafeMutableRawPointer) {
        let sum = Checksum.pseudoHeader(
            source: source, destination: destination, protocolNumber: protocolNumber, length: payloadLength)
        checksum.storeBytes(of: Checksum.fold(sum), as: UInt16.self)
    }
}
