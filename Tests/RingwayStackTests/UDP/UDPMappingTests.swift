import RingwayModel
import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

@Suite("UDP mappings")
struct UDPMappingTests {
    let net: StackUnderTest
    let peer: UDPPeer

    init() throws {
        net = try StackUnderTest()
        peer = UDPPeer(net)
    }

    @Test func `one mapping serves a port for all its destinations`() throws {
        try peer.send([1, 2, 3], to: "8.8.8.8:123")
        let first = peer.expectSent([1, 2, 3], to: "8.8.8.8:123")
        try peer.send([4], to: "9.9.9.9:9")
        let second = peer.expectSent([4], to: "9.9.9.9:9")
        #expect(first == second)
        #expect(net.counters.read(.udpMappings) == 1)
    }

    @Test func `the host's loopback has the network's host address in both directions`() throws {
        try peer.send([1], to: "192.168.127.254:53000")
        let mapping = peer.expectSent([1], to: "127.0.0.1:53000")
        try peer.hostSends([2], from: "127.0.0.1:53000", to: mapping)
        #expect(peer.received()?.source == "192.168.127.254")
    }

    @Test func `hop limit and service class travel with the datagram`() throws {
        try peer.send([1], to: "8.8.8.8:123", hopLimit: 3)
        #expect(net.effects.first?.hopLimit == 2)
        peer.expectSent([1], to: "8.8.8.8:123")
    }

    @Test func `the don't-fragment flag of a datagram is preserved`() throws {
        try peer.send([1], to: "8.8.8.8:123", dontFragment: true)
        #expect(net.effects.first?.dontFragment == true)
        peer.expectSent([1], to: "8.8.8.8:123")
        try peer.send([1], to: "8.8.8.8:123", dontFragment: false)
        #expect(net.effects.first?.dontFragment == false)
        peer.expectSent([1], to: "8.8.8.8:123")
    }

    @Test func `service class, ECN and hop limit of what the host receives reach the guest`() throws {
        try peer.send([1], to: "8.8.8.8:123", trafficClass: 0xB9)
        #expect(net.effects.first?.trafficClass == 0xB9)
        let mapping = try #require(peer.expectSent([1], to: "8.8.8.8:123"))
        for length in [3, 4_000] {
            let lease = net.buffer([UInt8](repeating: 7, count: length))
            let sender = try #require(TransportAddress("8.8.8.8:123"))
            net.turn {
                $0.datagramReceived(
                    mapping, from: sender, lease, offset: Stack.headroom, length: length, segmentSize: 0,
                    marks: DatagramMarks(hopLimit: 51, trafficClass: 0xB9))
            }
            #expect(net.frames.count == (length > 1_500 ? 3 : 1))
            #expect(net.frames.allSatisfy { $0[12 + 14 + 1] == 0xB9 && $0[12 + 14 + 8] == 51 })
            net.frames = []
        }
    }

    // MARK: Time

    @Test func `an answer that comes after two minutes still arrives`() throws {
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        peer.advance(seconds: 125)
        net.expectNoEffect()
        try peer.hostSends([2], from: "8.8.8.8:123", to: mapping)
        #expect(peer.received()?.payload == [2])
    }

    @Test func `a mapping ends after three minutes of silence, answered or not`() throws {
        let other = UDPPeer(net, port: 5_001)
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        try other.send([1], to: "8.8.8.8:123")
        other.expectSent([1], to: "8.8.8.8:123")
        try peer.hostSends([2], from: "8.8.8.8:123", to: mapping)
        peer.advance(seconds: 179)
        net.expectNoEffect()
        peer.advance(seconds: 2)
        net.expectEffect(.closeDatagram)
        net.expectEffect(.closeDatagram)
        #expect(net.counters.read(.udpMappingsExpired) == 2)
        net.frames = []
        net.expectNothingHeld()
    }

    @Test func `the time of silence is what was asked for`() throws {
        var limits = StackUnderTest.limits
        limits.udpTimeout = 7
        limits.dnsTimeout = 2
        let net = try StackUnderTest(limits: limits)
        let (peer, asking) = (UDPPeer(net), UDPPeer(net, port: 5_001))
        try peer.send([1], to: "8.8.8.8:123")
        peer.expectSent([1], to: "8.8.8.8:123")
        try asking.send([1], to: "8.8.8.8:53")
        asking.expectSent([1], to: "8.8.8.8:53")
        peer.advance(seconds: 3)
        net.expectEffect(.closeDatagram)
        peer.advance(seconds: 3)
        net.expectNoEffect()
        peer.advance(seconds: 2)
        net.expectEffect(.closeDatagram)
    }

    @Test func `every datagram begins the wait anew`() throws {
        try peer.send([1], to: "8.8.8.8:123")
        peer.expectSent([1], to: "8.8.8.8:123")
        for _ in 0..<10 {
            peer.advance(seconds: 175)
            try peer.send([1], to: "8.8.8.8:123")
            peer.expectSent([1], to: "8.8.8.8:123")
        }
        peer.advance(seconds: 181)
        net.expectEffect(.closeDatagram)
    }

    @Test func `a name query's mapping waits half a minute, unless the port is used for more`() throws {
        try peer.send([1], to: "8.8.8.8:53")
        peer.expectSent([1], to: "8.8.8.8:53")
        peer.advance(seconds: 29)
        net.expectNoEffect()
        peer.advance(seconds: 2)
        net.expectEffect(.closeDatagram)
        try peer.send([1], to: "8.8.8.8:53")
        peer.expectSent([1], to: "8.8.8.8:53")
        try peer.send([1], to: "8.8.8.8:443")
        peer.expectSent([1], to: "8.8.8.8:443")
        peer.advance(seconds: 179)
        net.expectNoEffect()
        peer.advance(seconds: 2)
        net.expectEffect(.closeDatagram)
    }

    @Test func `name queries that are all answered need their mapping no longer`() throws {
        try peer.send([1], to: "8.8.8.8:53")
        let mapping = peer.expectSent([1], to: "8.8.8.8:53")
        try peer.send([2], to: "8.8.8.8:53")
        peer.expectSent([2], to: "8.8.8.8:53")
        try peer.hostSends([1], from: "8.8.8.8:53", to: mapping)
        peer.advance(seconds: 20)
        net.expectNoEffect()
        try peer.hostSends([2], from: "8.8.8.8:53", to: mapping)
        peer.advance(seconds: 6)
        net.expectEffect(.closeDatagram)
    }

    @Test func `what comes for a mapping that is gone is dropped`() throws {
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        peer.advance(seconds: 181)
        net.expectEffect(.closeDatagram)
        try peer.hostSends([2], from: "8.8.8.8:123", to: mapping)
        #expect(net.frames.isEmpty)
        net.expectNothingHeld()
    }

    // MARK: Bounds

    @Test func `beyond the limit the mapping idle for longest goes`() throws {
        let peers = (0..<17).map { UDPPeer(net, port: UInt16(6_000 + $0)) }
        var mappings: [Handle?] = []
        for peer in peers.prefix(16) {
            try peer.send([1], to: "8.8.8.8:123")
            mappings.append(peer.expectSent([1], to: "8.8.8.8:123"))
            peer.advance(seconds: 1)
        }
        // The first mapping sends again, so the second is the oldest.
        try peers[0].send([1], to: "8.8.8.8:123")
        peers[0].expectSent([1], to: "8.8.8.8:123")
        try peers[16].send([1], to: "8.8.8.8:123")
        let closed = net.expectEffect(.closeDatagram)
        #expect(closed?.handle.slot == mappings[1]?.slot)
        peers[16].expectSent([1], to: "8.8.8.8:123")
        #expect(net.counters.read(.udpMappings) == 16)
        #expect(net.counters.read(.udpMappingsEvicted) == 1)
    }

    @Test func `beyond the limit those go first that never had an answer, however new they are`() throws {
        let peers = (0..<18).map { UDPPeer(net, port: UInt16(6_000 + $0)) }
        var mappings: [Handle?] = []
        for (index, peer) in peers.prefix(16).enumerated() {
            try peer.send([1], to: "8.8.8.8:123")
            mappings.append(peer.expectSent([1], to: "8.8.8.8:123"))
            // All but the last two are answered.
            if index < 14 { try peer.hostSends([2], from: "8.8.8.8:123", to: mappings[index]) }
            peer.advance(seconds: 1)
        }
        for (next, victim) in [(16, 14), (17, 15)] {
            try peers[next].send([1], to: "8.8.8.8:123")
            #expect(net.expectEffect(.closeDatagram)?.handle.slot == mappings[victim]?.slot)
            let mapping = peers[next].expectSent([1], to: "8.8.8.8:123")
            try peers[next].hostSends([2], from: "8.8.8.8:123", to: mapping)
        }
        // Now all have had a reply, and the one idle for longest is evicted.
        try UDPPeer(net, port: 7_000).send([1], to: "8.8.8.8:123")
        #expect(net.expectEffect(.closeDatagram)?.handle.slot == mappings[0]?.slot)
    }

    @Test func `a socket that cannot be had ends the mapping`() throws {
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        net.turn { stack in
            if let mapping { stack.datagramSocketFailed(mapping) }
        }
        net.expectEffect(.closeDatagram)
        #expect(net.counters.read(.udpMappings) == 0)
    }

    @Test func `a datagram that expires at the gateway creates no mapping and evicts none`() throws {
        for port in UInt16(6_000)..<6_016 {
            let peer = UDPPeer(net, port: port)
            try peer.send([1], to: "8.8.8.8:123")
            peer.expectSent([1], to: "8.8.8.8:123")
        }
        net.frames = []
        try peer.send([1], to: "8.8.8.8:33434", hopLimit: 1)
        net.expectNoEffect()
        #expect(net.counters.read(.udpMappings) == 16)
        #expect(net.counters.read(.udpMappingsEvicted) == 0)
        // Time exceeded (RFC 792), from the gateway.
        #expect(net.frames.count == 1)
        #expect(net.frames.first?[12 + 14 + 20] == 11)
    }

    // MARK: Refusals

    @Test(arguments: ["192.168.127.1:9", "192.168.127.99:9"])
    func `a destination without a host is reported to the guest`(_ target: String) throws {
        try peer.send([1], to: target)
        net.expectNoEffect()
        #expect(net.frames.count == 1)
        #expect(net.frames.first?[12 + 14 + 9] == IPProtocol.icmp)
        net.expectNothingHeld()
    }

    @Test(arguments: ["224.0.0.251:5353", "255.255.255.255:9", "192.168.127.255:9"])
    func `to groups and broadcast there is silence`(_ target: String) throws {
        try peer.send([1], to: target)
        net.expectNoEffect()
        #expect(net.frames.isEmpty)
        net.expectNothingHeld()
    }

    @Test func `a forbidden destination is refused by ICMP`() throws {
        try peer.send([1], to: "169.254.169.254:80")
        net.expectNoEffect()
        #expect(net.frames.count == 1)
        #expect(net.counters.read(.droppedPolicy) == 1)
    }

    // MARK: Large datagrams

    @Test func `a datagram above the MTU reaches the guest in fragments`() throws {
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        try peer.hostSends([UInt8](repeating: 9, count: 4_000), from: "8.8.8.8:123", to: mapping)
        #expect(net.frames.count == 3)
        #expect(net.frames.allSatisfy { $0.count <= 12 + 14 + 1_500 })
        #expect(net.pool.pointee.leased == 0)
    }

    @Test func `a train of datagrams is one super-frame`() throws {
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        try peer.hostSends(
            [UInt8](repeating: 9, count: 10_000), from: "8.8.8.8:123", to: mapping, segmentSize: 1_000)
        #expect(net.frames.count == 1)
        #expect(net.frames.first?[1] == VirtioNetHeader.gsoUDPL4)
        #expect(peer.received()?.payload.count == 10_000)
    }

    @Test func `a train that would fit into one datagram stays a train`() throws {
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        try peer.hostSends([UInt8](repeating: 9, count: 192), from: "8.8.8.8:123", to: mapping, segmentSize: 64)
        #expect(net.frames.first?[1] == VirtioNetHeader.gsoUDPL4)
    }
}
