import RingwayModel
import RingwayWire
import Testing

/// At least one malformed frame for each reason of `FrameSummary.parse`.
@Suite("Refused frames") struct FrameRefusalTests {
    struct Malformed: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let reason: DropReason
        let frame: [UInt8]

        init(_ reason: DropReason, _ description: String, _ frame: [UInt8]) {
            testDescription = "\(reason.name): \(description)"
            self.reason = reason
            self.frame = frame
        }
    }

    static let ipv4 = FrameBuilder.ipv4()
    static let ipv6 = FrameBuilder.ipv6()

    static let link: [Malformed] = [
        Malformed(.truncatedVirtioHeader, "empty", []),
        Malformed(.truncatedVirtioHeader, "eleven bytes", [UInt8](repeating: 0, count: 11)),
        Malformed(.truncatedEthernet, "virtio-net header alone", [UInt8](repeating: 0, count: 12)),
        Malformed(.truncatedEthernet, "thirteen bytes", Array(ipv4.udp().prefix(25))),
        Malformed(.unknownEtherType, "VLAN", ipv4.with { $0.ethernet.etherType = 0x8100 }.udp()),
        Malformed(.unknownEtherType, "802.3 length", ipv4.with { $0.ethernet.etherType = 46 }.udp()),
        Malformed(.martianSource, "from a group", ipv4.with { $0.ethernet.source = .broadcast }.udp()),
        Malformed(.truncatedARP, "27 bytes", Array(ipv4.arp().dropLast())),
        Malformed(.badARP, "not ethernet", ipv4.arp().replacing(at: 26, with: 0, 6)),
        Malformed(.badARP, "not IPv4", ipv4.arp().replacing(at: 28, with: 0x86, 0xDD)),
        Malformed(.badARP, "long addresses", ipv4.arp().replacing(at: 30, with: 8)),
        Malformed(.badARP, "reverse request", ipv4.arp(operation: 3)),
        Malformed(.martianSource, "ARP for a group", ipv4.with { $0.source4 = IPv4Address(224, 0, 0, 1) }.arp()),
        Malformed(.martianSource, "ARP by a group", ipv4.arp().replacing(at: 34, with: 0xFF)),
    ]

    static let network: [Malformed] = [
        Malformed(.truncatedIPv4, "no header", Array(ipv4.udp().prefix(26))),
        Malformed(.truncatedIPv4, "19 bytes", Array(ipv4.udp().prefix(45))),
        Malformed(.badIPv4Version, "IPv6", ipv4.udp().replacingInIPv4(at: 0, with: 0x65)),
        Malformed(.badIPv4HeaderLength, "16 bytes", ipv4.udp().replacingInIPv4(at: 0, with: 0x44)),
        Malformed(.badIPv4HeaderLength, "60 bytes", ipv4.udp().replacingInIPv4(at: 0, with: 0x4F)),
        Malformed(.badIPv4Checksum, "one bit", ipv4.udp().replacing(at: 34, with: 63)),
        Malformed(
            .badIPv4Checksum, "although the guest calls the rest valid",
            ipv4.with { $0.virtio.flags = VirtioNetHeader.dataValid }.udp().replacing(at: 34, with: 63)),
        Malformed(.badIPv4Length, "beyond the frame", Array(ipv4.udp(payload: [1, 2]).dropLast())),
        Malformed(.badIPv4Length, "below the header", ipv4.udp().replacingInIPv4(at: 2, with: 0, 19)),
        Malformed(.badIPv4Length, "BIG TCP", ipv4.tcp().replacingInIPv4(at: 2, with: 0, 0)),
        Malformed(.truncatedIPv6, "39 bytes", Array(ipv6.udp().prefix(65))),
        Malformed(.truncatedIPv6, "version", ipv6.udp().replacing(at: 26, with: 0x45)),
        Malformed(.badIPv6Length, "beyond the frame", Array(ipv6.udp(payload: [1]).dropLast())),
        Malformed(
            .badExtensionHeaders, "cut off", ipv6.with { $0.firstHeader = 60 }.frame(17, [17, 0, 1, 4, 0, 0, 0])),
        Malformed(.badExtensionHeaders, "jumbogram", ipv6.with { $0.firstHeader = 0 }.frame(6, [])),
        Malformed(
            .badExtensionHeaders, "hop-by-hop options behind others",
            ipv6.with { $0.firstHeader = 60 }.frame(17, hex("0000 010400000000 1100 010400000000"))),
    ]

    static let addresses: [Malformed] = [
        Malformed(.martianSource, "224.0.0.1", ipv4.with { $0.source4 = IPv4Address(224, 0, 0, 1) }.udp()),
        Malformed(.martianSource, "127.0.0.1", ipv4.with { $0.source4 = .loopback }.udp()),
        Malformed(.martianSource, "255.255.255.255", ipv4.with { $0.source4 = .broadcast }.udp()),
        Malformed(.martianSource, "TCP from 0.0.0.0", ipv4.with { $0.source4 = .unspecified }.tcp()),
        Malformed(.martianSource, "ff02::1", ipv6.with { $0.source6 = .allNodes }.udp()),
        Malformed(.martianSource, "::1", ipv6.with { $0.source6 = .loopback }.udp()),
        Malformed(.martianSource, "::ffff:1.2.3.4", ipv6.with { $0.source6 = mapped }.udp()),
        Malformed(.martianSource, "TCP from ::", ipv6.with { $0.source6 = .unspecified }.tcp()),
        Malformed(.martianDestination, "127.0.0.1", ipv4.with { $0.destination4 = .loopback }.tcp()),
        Malformed(.martianDestination, "0.0.0.0", ipv4.with { $0.destination4 = .unspecified }.tcp()),
        Malformed(.martianDestination, "::1", ipv6.with { $0.destination6 = .loopback }.tcp()),
        Malformed(.martianDestination, "::", ipv6.with { $0.destination6 = .unspecified }.tcp()),
        Malformed(.martianDestination, "::ffff:1.2.3.4", ipv6.with { $0.destination6 = mapped }.tcp()),
    ]

    static let mapped = IPv6Address(high: 0, low: 0xFFFF_0102_0304)

    static let transport: [Malformed] = [
        Malformed(.truncatedTCP, "19 bytes", ipv4.frame(6, [UInt8](repeating: 0, count: 19))),
        Malformed(.truncatedTCP, "nothing", ipv6.frame(6, [])),
        Malformed(.badTCPOffset, "16 bytes", ipv4.tcp().replacing(at: 58, with: 0x40)),
        Malformed(.badTCPOffset, "beyond the segment", ipv4.tcp(payload: [1, 2, 3]).replacing(at: 58, with: 0x60)),
        Malformed(.badTCPChecksum, "one bit", ipv4.tcp(payload: [1]).replacing(at: 66, with: 2)),
        Malformed(.badTCPChecksum, "over IPv6", ipv6.tcp(payload: [1]).replacing(at: 86, with: 2)),
        Malformed(.truncatedUDP, "7 bytes", ipv4.frame(17, [UInt8](repeating: 0, count: 7))),
        Malformed(.truncatedUDP, "over IPv6", ipv6.frame(17, [UInt8](repeating: 0, count: 7))),
        Malformed(.badUDPLength, "7 bytes", ipv4.udp().replacing(at: 50, with: 0, 7)),
        Malformed(.badUDPLength, "beyond the packet", ipv4.with { $0.padding = 9 }.udp().replacing(at: 50, with: 0, 9)),
        Malformed(.badUDPChecksum, "one bit", ipv4.udp(payload: [1]).replacing(at: 54, with: 2)),
        Malformed(.badUDPChecksum, "none over IPv6", ipv6.udp(payload: [1]).replacing(at: 72, with: 0, 0)),
        Malformed(.truncatedICMP, "7 bytes", ipv4.frame(1, [8, 0, 0, 0, 0, 0, 0])),
        Malformed(.truncatedICMP, "over IPv6", ipv6.frame(58, [128, 0, 0, 0, 0, 0, 0])),
        Malformed(.badICMPChecksum, "one bit", ipv4.echo().replacing(at: 53, with: 9)),
        Malformed(.badICMPChecksum, "over IPv6", ipv6.echo().replacing(at: 73, with: 9)),
    ]

    static let segmentation: [Malformed] = [
        Malformed(.badSegmentation, "TCP over IPv6 as over IPv4", ipv6.gso(VirtioNetHeader.gsoTCPv4, 1_440).tcp()),
        Malformed(.badSegmentation, "TCP over IPv4 as over IPv6", ipv4.gso(VirtioNetHeader.gsoTCPv6, 1_460).tcp()),
        Malformed(.badSegmentation, "TCP as UDP", ipv4.gso(VirtioNetHeader.gsoUDPL4, 1_460).tcp()),
        Malformed(.badSegmentation, "UDP as TCP", ipv4.gso(VirtioNetHeader.gsoTCPv4, 1_460).udp()),
        Malformed(.badSegmentation, "no size", ipv4.gso(VirtioNetHeader.gsoTCPv4, 0).tcp()),
        Malformed(.badSegmentation, "no size for UDP", ipv4.gso(VirtioNetHeader.gsoUDPL4, 0).udp(payload: [1])),
        Malformed(
            .badSegmentation, "129 datagrams",
            ipv4.gso(VirtioNetHeader.gsoUDPL4, 1).udp(payload: .init(repeating: 0, count: 129))),
        Malformed(.badSegmentation, "unknown type", ipv4.gso(7, 1_460).udp()),
        Malformed(.badSegmentation, "ping", ipv4.gso(VirtioNetHeader.gsoTCPv4, 1_460).echo()),
        Malformed(
            .badSegmentation, "fragment",
            ipv4.gso(VirtioNetHeader.gsoUDPL4, 1_460).frame(17, [1]).replacingInIPv4(at: 6, with: 0x20, 0)),
        Malformed(
            .badSegmentation, "fragment with a partial checksum",
            ipv4.with { $0.virtio.flags = 1 }.frame(17, [1]).replacingInIPv4(at: 6, with: 0, 1)),
    ]

    static let all = link + network + addresses + transport + segmentation

    @Test("are refused for the right reason", arguments: all)
    func reason(_ input: Malformed) {
        let buffer = GuardedBuffer(capacity: 4_096)
        var summary = FrameSummary()
        #expect(FrameSummary.parse(buffer.place(input.frame), into: &summary) == input.reason)
    }

    @Test func `cover every reason that parsing can give`() {
        let others: Set<DropReason> = [.none, .badTCPOptions]
        #expect(Set(Self.all.map(\.reason)).union(others) == Set(DropReason.allCases))
    }
}

extension FrameBuilder {
    func gso(_ type: UInt8, _ size: UInt16) -> FrameBuilder {
        with {
            $0.virtio.gsoType = type
            $0.virtio.gsoSize = size
        }
    }
}
