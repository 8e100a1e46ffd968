import RingwayWire
import Testing

@Suite("Frame summary") struct FrameSummaryTests {
    @Test func `of a TCP segment`() {
        let (reason, summary) = parse(FrameBuilder.ipv4().with { $0.padding = 7 }.tcp(payload: [1, 2, 3]))
        #expect(reason == .none && summary.kind == .tcp && !summary.isIPv6)
        #expect(summary.networkOffset == 14 && summary.transportOffset == 34 && summary.payloadOffset == 54)
        #expect(summary.payloadLength == 3)
        #expect(summary.source.description == "192.168.127.2" && summary.destination.description == "93.184.216.34")
        #expect(summary.sourcePort == 40_000 && summary.destinationPort == 443)
        #expect(summary.sourceMAC.description == "02:00:00:00:00:02")
        #expect(summary.hopLimit == 64 && summary.protocolNumber == 6 && summary.segmentSize == 0)
    }

    @Test func `of a TCP segment over IPv6, behind options`() {
        let builder = FrameBuilder.ipv6().with {
            $0.firstHeader = IPProtocol.destinationOptions
            $0.extensionHeaders = hex("0600 010400000000")
        }
        let (reason, summary) = parse(builder.tcp(payload: [1, 2, 3, 4, 5]))
        #expect(reason == .none && summary.kind == .tcp && summary.isIPv6 && summary.protocolNumber == 6)
        #expect(summary.transportOffset == 62 && summary.payloadOffset == 82 && summary.payloadLength == 5)
        #expect(summary.source.description == "fd00::2" && summary.destination.description == "2001:db8::9")
    }

    @Test func `of a datagram shorter than its packet`() {
        // What follows the datagram is UDP options (RFC 9868), which neither length nor checksum covers.
        var datagram = written(8, UDPFields(sourcePort: 1, destinationPort: 2, payloadLength: 2).write(to:)) + [5, 6]
        FrameBuilder.ipv4().complete(&datagram, IPProtocol.udp, at: 6)
        let (reason, summary) = parse(FrameBuilder.ipv4().frame(IPProtocol.udp, datagram + [9, 9, 9, 9]))
        #expect(reason == .none && summary.kind == .udp && summary.payloadLength == 2 && summary.payloadOffset == 42)
    }

    @Test("of an echo", arguments: [FrameBuilder.ipv4(), .ipv6()])
    func echo(_ builder: FrameBuilder) {
        let (reason, summary) = parse(builder.echo(payload: [1, 2, 3]))
        #expect(reason == .none && summary.kind == (builder.isIPv6 ? .icmpv6 : .icmp))
        #expect(summary.sourcePort == 77 && summary.destinationPort == 0 && summary.payloadLength == 3)
        #expect(summary.payloadOffset == summary.transportOffset + 8)
    }

    @Test func `of an ARP request`() {
        let (reason, summary) = parse(FrameBuilder.ipv4().with { $0.padding = 18 }.arp())
        #expect(reason == .none && summary.kind == .arp && summary.networkOffset == 14)
        #expect(summary.source.description == "192.168.127.2" && summary.destination.description == "93.184.216.34")
    }

    @Test func `of fragments, whose transport is not looked at`() {
        let first = FrameBuilder.ipv4().frame(17, [0, 1, 2, 3, 4, 5, 6, 7]).replacingInIPv4(at: 6, with: 0x20, 0)
        let (reason, summary) = parse(first)
        #expect(reason == .none && summary.kind == .fragment && summary.protocolNumber == 17)
        #expect(summary.transportOffset == 34 && summary.payloadOffset == 34 && summary.payloadLength == 8)

        let builder = FrameBuilder.ipv6().with {
            $0.firstHeader = IPProtocol.fragment
            $0.extensionHeaders = hex("1100 0010 00000001")
        }
        let (reason6, summary6) = parse(builder.frame(17, [1]))
        #expect(reason6 == .none && summary6.kind == .fragment && summary6.protocolNumber == 17)
        #expect(summary6.payloadOffset == 62 && summary6.payloadLength == 1)
    }

    @Test func `of a protocol of another kind`() {
        let (reason, summary) = parse(FrameBuilder.ipv4().frame(47, [1, 2, 3]))
        #expect(reason == .none && summary.kind == .otherProtocol && summary.protocolNumber == 47)
        #expect(summary.payloadOffset == 34 && summary.payloadLength == 3)
        // ICMP of the other family is such a protocol.
        #expect(parse(FrameBuilder.ipv4().frame(58, [1])).summary.kind == .otherProtocol)
        #expect(parse(FrameBuilder.ipv6().frame(1, [1])).summary.kind == .otherProtocol)
    }

    @Test func `of a packet with IPv4 options`() {
        var frame = FrameBuilder.ipv4().udp(payload: [1, 2])
        frame.insert(contentsOf: [1, 1, 1, 0], at: 46)
        let (reason, summary) = parse(frame.replacingInIPv4(at: 0, with: 0x46, 0, 0, 34))
        #expect(reason == .none && summary.transportOffset == 38 && summary.payloadLength == 2)
    }

    @Test("of what Linux sends", arguments: KernelFrame.all)
    func kernel(_ frame: KernelFrame) {
        let (reason, summary) = parse(written(12, VirtioNetFields().write(to:)) + frame.bytes)
        #expect(reason == .none && summary.kind == frame.kind)
        #expect(summary.sourceMAC.rawValue >> 8 == 0x02_0000_0000)
    }

    @Test func `forgets the frame before`() {
        var summary = FrameSummary()
        _ = FrameBuilder.ipv6().tcp(payload: [1]).withUnsafeBytes { FrameSummary.parse($0, into: &summary) }
        let reason = FrameBuilder.ipv4().frame(47, []).withUnsafeBytes { FrameSummary.parse($0, into: &summary) }
        #expect(reason == .none && !summary.isIPv6 && summary.sourcePort == 0 && summary.payloadLength == 0)
    }

    #if !DEBUG
        // Compiles only while other modules, too, know that `parse` neither allocates nor retains nor locks.
        @_noLocks
    #endif
    private static func parseWithoutLocks(_ bytes: UnsafeRawBufferPointer, _ summary: inout FrameSummary) -> DropReason
    {
        FrameSummary.parse(bytes, into: &summary)
    }

    func parse(_ frame: [UInt8]) -> (reason: DropReason, summary: FrameSummary) {
        var summary = FrameSummary()
        let reason = frame.withUnsafeBytes { Self.parseWithoutLocks($0, &summary) }
        return (reason, summary)
    }
}
