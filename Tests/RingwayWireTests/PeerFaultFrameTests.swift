import RingwayModel
import RingwayWire
import Testing

/// Frames that made similar programs read beyond a buffer. The memory after each frame is unmapped.
@Suite("Frames that other programs read too far") struct PeerFaultFrameTests {
    private let buffer = GuardedBuffer(capacity: 4_096)

    private func verdict(_ frame: [UInt8]) -> DropReason {
        var summary = FrameSummary()
        return FrameSummary.parse(buffer.place(frame), into: &summary)
    }

    /// CVE-2020-10756 (libslirp): the reply to an ICMPv6 echo was as long as the request claimed to be.
    @Test func `an echo request that claims more bytes than its frame has is refused`() {
        let data = [UInt8](repeating: 7, count: 56)
        let (ipv4, ipv6) = (FrameBuilder.ipv4().echo(payload: data), FrameBuilder.ipv6().echo(payload: data))
        #expect(verdict(ipv4) == .none)
        #expect(verdict(ipv6) == .none)
        for surplus in [1, 2, 8, 1_000, 60_000] {
            let length4 = 20 + 8 + data.count + surplus
            let longer4 = ipv4.replacingInIPv4(at: 2, with: UInt8(length4 >> 8), UInt8(length4 & 0xFF))
            #expect(verdict(longer4) == .badIPv4Length, "\(surplus)")
            let length6 = 8 + data.count + surplus
            let longer6 = ipv6.replacing(at: 30, with: UInt8(length6 >> 8), UInt8(length6 & 0xFF))
            #expect(verdict(longer6) == .badIPv6Length, "\(surplus)")
        }
    }

    /// CVE-2020-29129 and CVE-2020-29130 (libslirp): NC-SI and ARP frames shorter than their headers.
    @Test func `a frame of 14 to 41 bytes is refused, whatever its type`() {
        var wrong: [String] = []
        var frame = [UInt8](repeating: 0, count: 12 + 41)
        frame[18] = 0x02
        for type in UInt16.min...UInt16.max {
            frame[24] = UInt8(type >> 8)
            frame[25] = UInt8(type & 0xFF)
            let isKnown = type == EtherType.ipv4 || type == EtherType.ipv6 || type == EtherType.arp
            for length in isKnown ? Array(14...41) : [14, 41] {
                let found = verdict(Array(frame[..<(12 + length)]))
                if found != Self.expected(type, length) { wrong.append("\(type), \(length) bytes: \(found)") }
            }
        }
        #expect(wrong == [])
    }

    private static func expected(_ type: UInt16, _ length: Int) -> DropReason {
        switch type {
        case EtherType.ipv4: length < 34 ? .truncatedIPv4 : .badIPv4Version
        case EtherType.ipv6: .truncatedIPv6
        case EtherType.arp: .truncatedARP
        default: .unknownEtherType
        }
    }

    /// CVE-2021-3592 to CVE-2021-3595 (libslirp): BOOTP, UDP and TFTP headers were read from shorter datagrams.
    @Test("a UDP length is believed from eight bytes up to those that are there", arguments: [67, 53, 547, 69])
    func lengths(port: Int) {
        let data = [UInt8](repeating: 7, count: 26)
        for builder in [FrameBuilder.ipv4(), FrameBuilder.ipv6()] {
            let trusted = builder.with { $0.virtio.flags = VirtioNetHeader.dataValid }
            let header = builder.isIPv6 ? 66 : 46
            let whole = trusted.udp(payload: data).replacing(at: header + 2, with: UInt8(port >> 8), UInt8(port & 0xFF))
            for length in 0...60 {
                let frame = whole.replacing(at: header + 4, with: 0, UInt8(length))
                var summary = FrameSummary()
                let reason = FrameSummary.parse(buffer.place(frame), into: &summary)
                guard (8...8 + data.count).contains(length) else {
                    #expect(reason == .badUDPLength, "\(length)")
                    continue
                }
                #expect(reason == .none, "\(length)")
                #expect(Int(summary.payloadLength) == length - 8)
                #expect(Int(summary.destinationPort) == port)
            }
        }
    }
}
