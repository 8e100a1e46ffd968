import RingwayWire
import Testing

@testable import RingwayStack

/// RFC 791 §3.2, RFC 8200 §4.5.
@Suite("Fragmenter")
struct FragmenterTests {
    private func addresses(_ isIPv6: Bool) -> (source: IPAddress, destination: IPAddress) {
        isIPv6
            ? (IPAddress(ServiceNetwork.outsideIPv6), IPAddress(ServiceNetwork.guestIPv6))
            : (IPAddress(ServiceNetwork.outside), IPAddress(ServiceNetwork.guestIPv4))
    }

    private func datagram(_ isIPv6: Bool, length count: Int) -> [UInt8] {
        let (source, destination) = addresses(isIPv6)
        return GuestFrame.datagram(
            from: TransportAddress(address: source, port: 53),
            to: TransportAddress(address: destination, port: 40_000),
            (0..<count - 8).map { UInt8(truncatingIfNeeded: $0 &* 17 &+ $0 >> 8) })
    }

    /// Cuts and returns the frames; checks that nothing comes after the last.
    private func cut(_ isIPv6: Bool, _ datagram: [UInt8], mtu: Int, identification: UInt32 = 0x1234_5678) throws
        -> [GuestFrame]
    {
        let (source, destination) = addresses(isIPv6)
        return try datagram.withUnsafeBytes { bytes in
            var fragmenter = try #require(
                Fragmenter(
                    bytes, from: source, to: destination, protocolNumber: IPProtocol.udp, hopLimit: 61,
                    trafficClass: 0x20, identification: identification, mtu: mtu,
                    sourceMAC: NetworkPlan.defaultGatewayMAC, destinationMAC: ServiceNetwork.guestMAC))
            let capacity = fragmenter.frameLength
            #expect(capacity <= mtu + 14)
            var frames: [GuestFrame] = []
            while let frame = written(capacity: capacity, { fragmenter.next(into: $0) }) { frames.append(frame) }
            #expect(fragmenter.isFinished)
            #expect(frames.count == fragmenter.frameCount)
            #expect(written(capacity: capacity) { fragmenter.next(into: $0) } == nil)
            return frames
        }
    }

    @Test("sends what fits as one whole packet", arguments: [false, true])
    func whole(isIPv6: Bool) throws {
        let datagram = datagram(isIPv6, length: 1_500 - (isIPv6 ? 40 : 20))
        let frames = try cut(isIPv6, datagram, mtu: 1_500)
        #expect(frames.count == 1)
        let summary = try frames[0].summary()
        #expect(summary.kind == .udp)
        #expect(summary.hopLimit == 61)
        #expect(summary.trafficClass == 0x20)
        #expect(frames[0].bytes.withUnsafeBytes { EthernetHeader($0)?.destination } == ServiceNetwork.guestMAC)
    }

    @Test("cuts what does not fit by one byte in two", arguments: [false, true])
    func two(isIPv6: Bool) throws {
        let datagram = datagram(isIPv6, length: 1_501 - (isIPv6 ? 40 : 20))
        let frames = try cut(isIPv6, datagram, mtu: 1_500)
        #expect(frames.count == 2)
        #expect(frames[0].bytes.count == 14 + (isIPv6 ? 1_496 : 1_500))
        for frame in frames { #expect(try frame.summary().kind == .fragment) }
    }

    @Test(
        "gives fragments that make the datagram again",
        arguments: [false, true], [68, 1_280, 1_281, 1_500, 9_000, 65_520])
    func roundTrip(isIPv6: Bool, mtu: Int) throws {
        guard !isIPv6 || mtu >= 1_280 else { return }
        let largest = isIPv6 ? 65_535 : 65_515
        for count in [8, 9, mtu, 2 * mtu, largest] where count <= largest {
            let datagram = datagram(isIPv6, length: count)
            let frames = try cut(isIPv6, datagram, mtu: mtu)
            guard frames.count > 1 else {
                #expect(try frames[0].summary().payloadLength == UInt32(count - 8))
                continue
            }
            let bench = ReassemblyBench()
            let result = try #require(try bench.add(frames.reversed()))
            #expect(result.bytes == datagram)
            #expect(result.isChecksumCorrect)
            #expect(result.datagram.hopLimit == 61)
            #expect(result.datagram.trafficClass == 0x20)
            #expect(result.datagram.destinationMAC == ServiceNetwork.guestMAC)
        }
    }

    @Test func `fills IPv4 fragments to the last multiple of eight and clears don't-fragment`() throws {
        let frames = try cut(false, datagram(false, length: 4_000), mtu: 1_501)
        #expect(frames.map { $0.bytes.count } == [14 + 1_500, 14 + 1_500, 14 + 20 + 4_000 - 2_960])
        for (index, frame) in frames.enumerated() {
            let header = try frame.bytes.withUnsafeBytes { bytes in
                let header = try #require(IPv4Header(UnsafeRawBufferPointer(rebasing: bytes[14...])))
                return (header.dontFragment, header.moreFragments, header.fragmentOffset, header.identification)
            }
            #expect(header == (false, index < 2, index * 1_480, 0x5678))
        }
    }

    @Test func `carries ICMP as well`() throws {
        let message = [UInt8](repeating: 0, count: 3_000)
        let (source, destination) = addresses(false)
        try message.withUnsafeBytes { bytes in
            var fragmenter = try #require(
                Fragmenter(
                    bytes, from: source, to: destination, protocolNumber: IPProtocol.icmp, identification: 1,
                    mtu: 1_500, sourceMAC: NetworkPlan.defaultGatewayMAC, destinationMAC: ServiceNetwork.guestMAC))
            let frame = try #require(written { fragmenter.next(into: $0) })
            #expect(try frame.summary().protocolNumber == IPProtocol.icmp)
        }
    }

    @Test("keeps a frame that did not fit for the next buffer", arguments: [false, true])
    func keepsFrame(isIPv6: Bool) throws {
        let datagram = datagram(isIPv6, length: 3_000)
        let (source, destination) = addresses(isIPv6)
        try datagram.withUnsafeBytes { bytes in
            var fragmenter = try #require(
                Fragmenter(
                    bytes, from: source, to: destination, protocolNumber: IPProtocol.udp, identification: 1,
                    mtu: 1_500, sourceMAC: NetworkPlan.defaultGatewayMAC, destinationMAC: ServiceNetwork.guestMAC))
            let capacity = fragmenter.frameLength
            #expect(written(capacity: capacity - 1) { fragmenter.next(into: $0) } == nil)
            #expect(!fragmenter.isFinished)
            let first = try #require(written(capacity: capacity) { fragmenter.next(into: $0) })
            #expect(first.bytes.count == capacity)
        }
    }

    @Test func `refuses what cannot be`() {
        let (source, destination) = addresses(false)
        let (source6, destination6) = addresses(true)
        func isPossible(_ count: Int, _ source: IPAddress, _ destination: IPAddress, mtu: Int) -> Bool {
            [UInt8](repeating: 0, count: count).withUnsafeBytes {
                Fragmenter(
                    $0, from: source, to: destination, protocolNumber: 17, identification: 1, mtu: mtu,
                    sourceMAC: .broadcast, destinationMAC: .broadcast) != nil
            }
        }
        #expect(!isPossible(65_516, source, destination, mtu: 1_500))
        #expect(isPossible(65_515, source, destination, mtu: 1_500))
        #expect(!isPossible(65_536, source6, destination6, mtu: 1_500))
        #expect(isPossible(65_535, source6, destination6, mtu: 1_500))
        #expect(!isPossible(100, source, destination6, mtu: 1_500))
        #expect(!isPossible(100, source, destination, mtu: 67))
        #expect(!isPossible(100, source6, destination6, mtu: 1_279))
    }
}
