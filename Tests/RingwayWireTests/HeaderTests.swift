import RingwayWire
import Testing

@Suite("Headers survive the round trip") struct HeaderTests {
    @Test func `virtio-net, in little endian`() throws {
        let fields = VirtioNetFields(
            flags: VirtioNetHeader.needsChecksum, gsoType: VirtioNetHeader.gsoTCPv6, headerLength: 0x0102,
            gsoSize: 0x0304,
            checksumStart: 0x0506, checksumOffset: 0x0708, bufferCount: 1)
        let bytes = written(12, fields.write(to:))
        #expect(bytes == hex("0104 0201 0403 0605 0807 0100"))
        bytes.withUnsafeBytes { #expect(VirtioNetHeader($0).map(VirtioNetFields.init) == fields) }
        bytes.prefix(11).withUnsafeBytes { #expect(VirtioNetHeader($0) == nil) }
    }

    @Test func ethernet() throws {
        let fields = EthernetFields(
            destination: .broadcast, source: MACAddress(rawValue: 0x0200_0000_0001), etherType: EtherType.arp)
        let bytes = written(14, fields.write(to:)) + [9, 9]
        try bytes.withUnsafeBytes {
            let header = try #require(EthernetHeader($0))
            #expect(header.destination == fields.destination && header.source == fields.source)
            #expect(header.etherType == EtherType.arp && Array(header.payload) == [9, 9])
        }
        bytes.prefix(13).withUnsafeBytes { #expect(EthernetHeader($0) == nil) }
    }

    @Test func ARP() throws {
        let fields = ARPFields(
            operation: ARPPacket.reply, senderMAC: MACAddress(rawValue: 1), senderIP: IPv4Address(1, 2, 3, 4),
            targetMAC: MACAddress(rawValue: 2), targetIP: IPv4Address(5, 6, 7, 8))
        let bytes = written(28, fields.write(to:))
        #expect(bytes == hex("0001080006040002 000000000001 01020304 000000000002 05060708"))
        try bytes.withUnsafeBytes {
            let packet = try #require(ARPPacket($0))
            #expect(packet.operation == 2 && packet.senderMAC == fields.senderMAC && packet.senderIP == fields.senderIP)
            #expect(packet.targetMAC == fields.targetMAC && packet.targetIP == fields.targetIP)
        }
        for offset in 0..<6 { bytes.replacing(at: offset, with: 9).withUnsafeBytes { #expect(ARPPacket($0) == nil) } }
        bytes.prefix(27).withUnsafeBytes { #expect(ARPPacket($0) == nil) }
    }

    @Test func IPv4() throws {
        let fields = IPv4Fields(
            source: IPv4Address(10, 0, 0, 1), destination: IPv4Address(10, 0, 0, 2), protocolNumber: 17,
            payloadLength: 4,
            timeToLive: 3, identification: 0xBEEF, dontFragment: false, moreFragments: true, fragmentOffset: 1480,
            typeOfService: 0xB8)
        let bytes = written(20, fields.write(to:)) + [1, 2, 3, 4, 0, 0]
        try bytes.withUnsafeBytes {
            let header = try #require(IPv4Header($0))
            #expect(header.isChecksumValid)
            #expect(header.headerLength == 20 && header.totalLength == 24 && header.options.isEmpty)
            #expect(header.source == fields.source && header.destination == fields.destination)
            #expect(header.protocolNumber == 17 && header.timeToLive == 3 && header.typeOfService == 0xB8)
            #expect(header.identification == 0xBEEF && header.fragmentOffset == 1480)
            #expect(header.moreFragments && !header.dontFragment && header.flags == 1)
            #expect(Array(header.payload) == [1, 2, 3, 4])
        }
        #expect(bytes.prefix(23).withUnsafeBytes { IPv4Header($0) == nil })
        bytes.prefix(23).withUnsafeBytes { #expect(IPv4Header(quoted: $0)?.payload.count == 3) }
        for bad in [
            bytes.replacing(at: 0, with: 0x65), bytes.replacing(at: 0, with: 0x44), bytes.replacing(at: 2, with: 0, 19),
        ] {
            #expect(bad.withUnsafeBytes { IPv4Header($0) == nil })
        }
    }

    /// The header of a packet seen in the wild, with its checksum b861.
    @Test func `an IPv4 header's checksum is what others compute`() throws {
        let bytes = hex("45000073 00004000 4011b861 c0a80001 c0a800c7")
        let fields = IPv4Fields(
            source: IPv4Address(192, 168, 0, 1), destination: IPv4Address(192, 168, 0, 199), protocolNumber: 17,
            payloadLength: 0x73 - 20)
        #expect(written(20, fields.write(to:)) == bytes)
    }

    @Test func IPv6() throws {
        let fields = IPv6Fields(
            source: IPv6Address(high: 1, low: 2), destination: IPv6Address(high: 3, low: 4), nextHeader: 58,
            payloadLength: 3, hopLimit: 255, trafficClass: 0xAB, flowLabel: 0xC_DEF0)
        let bytes = written(40, fields.write(to:)) + [7, 8, 9, 0]
        #expect(bytes.prefix(4) == hex("6abcdef0")[...])
        try bytes.withUnsafeBytes {
            let header = try #require(IPv6Header($0))
            #expect(header.source == fields.source && header.destination == fields.destination)
            #expect(header.nextHeader == 58 && header.hopLimit == 255)
            #expect(header.trafficClass == 0xAB && header.flowLabel == 0xC_DEF0)
            #expect(header.payloadLength == 3 && Array(header.payload) == [7, 8, 9])
        }
        #expect(bytes.prefix(42).withUnsafeBytes { IPv6Header($0) == nil })
        bytes.prefix(42).withUnsafeBytes { #expect(IPv6Header(quoted: $0)?.payload.count == 2) }
        #expect(bytes.prefix(39).withUnsafeBytes { IPv6Header(quoted: $0) == nil })
    }

    @Test func UDP() throws {
        let bytes =
            written(8, UDPFields(sourcePort: 53, destinationPort: 4_000, payloadLength: 2).write(to:)) + [5, 6, 0]
        try bytes.withUnsafeBytes {
            let header = try #require(UDPHeader($0))
            #expect(header.sourcePort == 53 && header.destinationPort == 4_000 && header.checksum == 0)
            #expect(header.datagramLength == 10 && Array(header.payload) == [5, 6])
        }
        #expect(bytes.prefix(9).withUnsafeBytes { UDPHeader($0) == nil })
        #expect(bytes.replacing(at: 4, with: 0, 7).withUnsafeBytes { UDPHeader($0) == nil })
    }

    @Test func TCP() throws {
        let fields = TCPFields(
            sourcePort: 1, destinationPort: 2, sequence: SequenceNumber(0xFFFF_FFFF),
            acknowledgement: SequenceNumber(3),
            flags: [.syn, .ack], window: 0x1234, optionsLength: 8)
        let bytes = written(28, fields.write(to:)) + [1, 2, 3]
        try bytes.withUnsafeBytes {
            let header = try #require(TCPHeader($0))
            #expect(header.sourcePort == 1 && header.destinationPort == 2)
            #expect(header.sequence == fields.sequence && header.acknowledgement == fields.acknowledgement)
            #expect(header.flags == [.syn, .ack] && header.window == 0x1234)
            #expect(header.checksum == 0 && header.urgentPointer == 0)
            #expect(header.headerLength == 28 && header.options.count == 8 && Array(header.payload) == [1, 2, 3])
        }
        #expect(TCPFlags([.syn, .ack]).description == "syn+ack")
        #expect(bytes.prefix(27).withUnsafeBytes { TCPHeader($0) == nil })
        #expect(bytes.replacing(at: 12, with: 0x40).withUnsafeBytes { TCPHeader($0) == nil })
    }

    @Test func ICMP() throws {
        let bytes = written(8, ICMPv4Fields(type: 8, code: 1, identifier: 2, sequence: 3).write(to:)) + [4]
        try bytes.withUnsafeBytes {
            let header = try #require(ICMPv4Header($0))
            #expect(header.type == ICMPv4Header.echoRequest && header.code == 1)
            #expect(header.identifier == 2 && header.sequence == 3 && Array(header.payload) == [4])
        }
        let error = written(8, ICMPv6Fields(type: ICMPv6Header.packetTooBig, parameter: 1_280).write(to:))
        error.withUnsafeBytes { #expect(ICMPv6Header($0)?.parameter == 1_280) }
        #expect(error.prefix(7).withUnsafeBytes { ICMPv6Header($0) == nil && ICMPv4Header($0) == nil })
    }
}

@Suite("Layout") struct LayoutTests {
    @Test func `a frame's summary is one cache line`() {
        #expect(MemoryLayout<FrameSummary>.size == 63)
        #expect(MemoryLayout<FrameSummary>.stride == 64)
    }

    @Test func `addresses and fields are as small as they look`() {
        #expect(MemoryLayout<MACAddress>.size == 8)
        #expect(MemoryLayout<IPv4Address>.size == 4)
        #expect(MemoryLayout<IPv6Address>.size == 16 && MemoryLayout<IPAddress>.size == 16)
        #expect(MemoryLayout<TransportAddress>.size == 18)
        #expect(MemoryLayout<VirtioNetFields>.size == 12)
        #expect(MemoryLayout<UDPFields>.size == 6 && MemoryLayout<TCPFields>.size == 16)
        #expect(MemoryLayout<SequenceNumber>.size == 4 && MemoryLayout<SACKBlock>.size == 8)
        #expect(MemoryLayout<DropReason>.size == 1 && MemoryLayout<FrameSummary.Kind>.size == 1)
    }

    @Test func `every drop reason has a name of its own`() {
        let names = DropReason.allCases.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(DropReason.allCases.allSatisfy { $0.name == String(describing: $0) })
        #expect(DropReason.allCases.map { Int($0.rawValue) } == Array(0..<names.count))
    }
}
