import RingwayWire
import Testing

@Suite("Packet quoted by an ICMP error") struct QuotedPacketTests {
    @Test func `of a datagram that Linux refused`() throws {
        let frame = try KernelFrame.named("port unreachable").bytes
        try frame.withUnsafeBytes { bytes in
            let packet = try #require(IPv4Header(UnsafeRawBufferPointer(rebasing: bytes[14...])))
            let error = try #require(ICMPv4Header(packet.payload))
            #expect(error.type == ICMPv4Header.destinationUnreachable && error.code == ICMPv4Header.portUnreachable)
            let quoted = try #require(QuotedPacket(error.payload))
            #expect(quoted.source.description == "10.9.0.1" && quoted.destination.description == "10.9.0.2")
            #expect(quoted.protocolNumber == IPProtocol.udp && quoted.destinationPort == 7_778 && quoted.sourcePort > 0)
        }
    }

    @Test func `of a datagram that Linux refused over IPv6`() throws {
        let frame = try KernelFrame.named("port unreachable over IPv6").bytes
        try frame.withUnsafeBytes { bytes in
            let packet = try #require(IPv6Header(UnsafeRawBufferPointer(rebasing: bytes[14...])))
            let error = try #require(ICMPv6Header(packet.payload))
            #expect(error.type == ICMPv6Header.destinationUnreachable && error.code == ICMPv6Header.portUnreachable)
            let quoted = try #require(QuotedPacket(error.payload))
            #expect(quoted.source.description == "fd00:9::1" && quoted.destinationPort == 7_778)
        }
    }

    @Test("needs eight bytes of the transport", arguments: [FrameBuilder.ipv4(), .ipv6()])
    func truncated(_ builder: FrameBuilder) throws {
        let packet = Array(builder.tcp(payload: [1, 2, 3]).dropFirst(26))
        let header = builder.isIPv6 ? 40 : 20
        let buffer = GuardedBuffer(capacity: 4_096)
        for count in 0..<header + 8 { #expect(QuotedPacket(buffer.place(Array(packet.prefix(count)))) == nil) }
        let quoted = try #require(QuotedPacket(buffer.place(Array(packet.prefix(header + 8)))))
        #expect(quoted.sourcePort == 40_000 && quoted.destinationPort == 443 && quoted.source == builder.source)
    }

    @Test("of an echo names its identifier", arguments: [FrameBuilder.ipv4(), .ipv6()])
    func echo(_ builder: FrameBuilder) throws {
        let packet = Array(builder.echo().dropFirst(26))
        #expect(packet.withUnsafeBytes { QuotedPacket($0) }?.sourcePort == 77)
    }

    @Test func `of a later fragment is of no use`() {
        let frame = FrameBuilder.ipv4().udp(payload: [1, 2]).replacingInIPv4(at: 6, with: 0, 2)
        #expect(Array(frame.dropFirst(26)).withUnsafeBytes { QuotedPacket($0) == nil })
    }
}
