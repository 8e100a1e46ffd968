internal import RingwayModel
internal import RingwayWire

/// One fragment with a valid header: its bytes, their offset, and the key of the datagram.
struct Fragment {
    let key: FragmentKey
    /// The offset in the datagram of the fragment's first byte; a multiple of eight.
    let offset: Int
    let isLast: Bool
    let bytes: UnsafeRawBufferPointer
    /// This field and the next four are used only if this is the first fragment of its datagram.
    let protocolNumber: UInt8
    let hopLimit: UInt8
    let trafficClass: UInt8
    let sourceMAC: MACAddress
    let destinationMAC: MACAddress

    var end: Int { offset + bytes.count }

    /// The most bytes that a datagram may have after its IP header. The 16-bit length field includes that header in
    /// IPv4, but not in IPv6.
    var limit: Int { key.source.isIPv4 ? 65_535 - 20 : 65_535 }
}

extension Fragment {
    /// Reads a frame whose summary says `.fragment`. `nil` if its headers are invalid, if it has no payload, or if it
    /// is not the last fragment and the length of its payload is not a multiple of eight bytes.
    init?(_ frame: UnsafeRawBufferPointer, _ summary: FrameSummary) {
        guard summary.kind == .fragment, let ethernet = EthernetHeader(frame),
            let packet = summary.checkedPacket(in: frame), let bytes = summary.checkedPayload(in: frame),
            !bytes.isEmpty
        else { return nil }
        let place: IPv6ExtensionHeaders.Fragment
        if summary.isIPv6 {
            guard let header = IPv6Header(packet),
                let extensions = IPv6ExtensionHeaders.walk(firstHeader: header.nextHeader, payload: header.payload),
                let fragment = extensions.fragment
            else { return nil }
            place = fragment
        } else {
            guard let header = IPv4Header(packet) else { return nil }
            place = IPv6ExtensionHeaders.Fragment(
                offset: header.fragmentOffset, more: header.moreFragments,
                identification: UInt32(header.identification))
        }
        guard !place.more || bytes.count.isMultiple(of: 8) else { return nil }
        key = FragmentKey(
            source: summary.source, destination: summary.destination, identification: place.identification,
            protocolNumber: summary.isIPv6 ? 0 : summary.protocolNumber)
        offset = place.offset
        isLast = !place.more
        self.bytes = bytes
        protocolNumber = summary.protocolNumber
        hopLimit = summary.hopLimit
        trafficClass = summary.trafficClass
        sourceMAC = summary.sourceMAC
        destinationMAC = ethernet.destination
    }
}
