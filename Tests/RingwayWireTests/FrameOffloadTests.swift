import RingwayWire
import Testing

@Suite("What a frame's sender left undone") struct FrameOffloadTests {
    private func parse(_ frame: [UInt8]) -> (reason: DropReason, summary: FrameSummary) {
        var summary = FrameSummary()
        let reason = frame.withUnsafeBytes { FrameSummary.parse($0, into: &summary) }
        return (reason, summary)
    }

    private func partial(_ builder: FrameBuilder, start: UInt16, offset: UInt16) -> FrameBuilder {
        builder.with {
            $0.virtio.flags = VirtioNetHeader.needsChecksum
            $0.virtio.checksumStart = start
            $0.virtio.checksumOffset = offset
        }
    }

    @Test func `a partial checksum is trusted in its place`() {
        let tcp = partial(.ipv4(), start: 34, offset: 16).tcp(payload: [1]).replacing(at: 62, with: 0xBA, 0xAD)
        #expect(parse(tcp).reason == .none)
        let udp = partial(.ipv6(), start: 54, offset: 6).udp(payload: [1]).replacing(at: 72, with: 0xBA, 0xAD)
        #expect(parse(udp).reason == .none)
    }

    @Test(arguments: [(33, 16), (34, 6), (0, 0), (54, 16)] as [(UInt16, UInt16)])
    func `a partial checksum in another place is verified`(_ start: UInt16, _ offset: UInt16) {
        let good = partial(.ipv4(), start: start, offset: offset).tcp(payload: [1])
        #expect(parse(good).reason == .none)
        #expect(parse(good.replacing(at: 62, with: 0xBA, 0xAD)).reason == .badTCPChecksum)
    }

    @Test func `a checksum called valid is trusted`() {
        let builder = FrameBuilder.ipv4().with { $0.virtio.flags = VirtioNetHeader.dataValid }
        #expect(parse(builder.tcp().replacing(at: 62, with: 0xBA, 0xAD)).reason == .none)
        #expect(parse(builder.udp().replacing(at: 52, with: 0xBA, 0xAD)).reason == .none)
        #expect(parse(builder.echo().replacing(at: 48, with: 0xBA, 0xAD)).reason == .none)
    }

    @Test func `a UDP checksum may be absent over IPv4`() {
        #expect(parse(FrameBuilder.ipv4().udp(payload: [1, 2, 3]).replacing(at: 52, with: 0, 0)).reason == .none)
    }

    @Test func `the largest super-frame`() {
        let payload = [UInt8](repeating: 0x5A, count: 65_535 - 40)
        let builder = partial(.ipv4(), start: 34, offset: 16)
            .gso(VirtioNetHeader.gsoTCPv4 | VirtioNetHeader.gsoECN, 1_460)
        let (reason, summary) = parse(builder.tcp(payload: payload))
        #expect(reason == .none && summary.segmentSize == 1_460 && summary.gsoType == VirtioNetHeader.gsoTCPv4)
        #expect(summary.payloadLength == 65_495 && summary.payloadOffset == 54)

        let six = partial(.ipv6(), start: 54, offset: 16).gso(VirtioNetHeader.gsoTCPv6, 1_440)
        let largest = parse(six.tcp(payload: [UInt8](repeating: 1, count: 65_535 - 20)))
        #expect(largest.reason == .none && largest.summary.payloadLength == 65_515)
    }

    @Test func `a super-frame whose checksum is complete is verified`() {
        let builder = FrameBuilder.ipv4().gso(VirtioNetHeader.gsoTCPv4, 100)
        let frame = builder.tcp(payload: [UInt8](repeating: 7, count: 999))
        #expect(parse(frame).reason == .none)
        #expect(parse(frame.replacing(at: 1_000, with: 8)).reason == .badTCPChecksum)
    }

    @Test func `many datagrams in one frame`() {
        let frame = FrameBuilder.ipv4().gso(VirtioNetHeader.gsoUDPL4, 10).udp(
            payload: [UInt8](repeating: 1, count: 1_280))
        let (reason, summary) = parse(frame)
        #expect(reason == .none && summary.segmentSize == 10 && summary.gsoType == VirtioNetHeader.gsoUDPL4)
    }

    @Test func `one datagram larger than the link is one datagram`() {
        let frame = FrameBuilder.ipv4().gso(VirtioNetHeader.gsoUDP, 1_480).udp(
            payload: [UInt8](repeating: 1, count: 9_000))
        let (reason, summary) = parse(frame)
        #expect(reason == .none && summary.segmentSize == 0 && summary.gsoType == VirtioNetHeader.gsoUDP)
        #expect(summary.payloadLength == 9_000)
    }

    @Test func `a size without a segmentation means nothing`() {
        let (reason, summary) = parse(FrameBuilder.ipv4().gso(VirtioNetHeader.gsoNone, 1_460).tcp())
        #expect(reason == .none && summary.segmentSize == 0)
    }
}
