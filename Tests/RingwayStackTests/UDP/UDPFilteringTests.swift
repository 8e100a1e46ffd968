import RingwayModel
import RingwayStack
import RingwayStorage
import Testing

/// The senders whose datagrams a mapping accepts (RFC 4787 §5).
@Suite("Filtering of datagrams")
struct UDPFilteringTests {
    private func bed(
        _ filtering: UDPFiltering = .address, allow: [String] = [], deny: [String] = [], hostLoopback: Bool = true,
        peers: Int = 16
    ) throws -> (StackUnderTest, UDPPeer) {
        var limits = StackUnderTest.limits
        limits.udpPeers = 2 * peers  // for two shards
        let net = try StackUnderTest(
            limits: limits,
            policy: DestinationPolicy(
                allow: allow.compactMap(CIDRBlock.init), deny: deny.compactMap(CIDRBlock.init),
                hostLoopback: hostLoopback, udpFiltering: filtering))
        return (net, UDPPeer(net))
    }

    /// Whether a datagram from `sender` reaches the guest.
    private func passes(_ sender: String, to mapping: Handle?, _ peer: UDPPeer) throws -> Bool {
        try peer.hostSends([5], from: sender, to: mapping)
        return peer.received() != nil
    }

    @Test(arguments: [
        (UDPFiltering.endpointIndependent, true, true, true), (.address, true, true, false),
        (.addressAndPort, true, false, false),
    ])
    func `each filter admits its senders`(
        _ filtering: UDPFiltering, _ own: Bool, _ otherPort: Bool, _ otherAddress: Bool
    ) throws {
        let (net, peer) = try bed(filtering)
        try peer.send([1], to: "8.8.8.8:69")
        let mapping = peer.expectSent([1], to: "8.8.8.8:69")
        #expect(try passes("8.8.8.8:69", to: mapping, peer) == own)
        #expect(try passes("8.8.8.8:40000", to: mapping, peer) == otherPort)
        #expect(try passes("9.9.9.9:69", to: mapping, peer) == otherAddress)
        #expect(
            net.counters.read(.droppedUnsolicited) == [own, otherPort, otherAddress].filter { !$0 }.count)
        #expect(net.pool.pointee.leased == 0)
    }

    @Test(arguments: UDPFiltering.allCases)
    func `every destination of the guest may answer, by one mapping`(_ filtering: UDPFiltering) throws {
        let (net, peer) = try bed(filtering)
        var mapping: Handle?
        for host in 1...10 {
            try peer.send([1], to: "203.0.113.\(host):9")
            mapping = peer.expectSent([1], to: "203.0.113.\(host):9")
        }
        for host in 1...10 { #expect(try passes("203.0.113.\(host):9", to: mapping, peer)) }
        #expect(net.counters.read(.udpMappings) == 1)
        #expect(try passes("203.0.113.11:9", to: mapping, peer) == (filtering == .endpointIndependent))
        // The permitted senders are forgotten with the mapping.
        peer.advance(seconds: 181)
        net.expectEffect(.closeDatagram)
        net.expectNothingHeld()
    }

    @Test func `of a mapping with too many peers those go that were sent to longest ago, which is counted`() throws {
        let (net, peer) = try bed(peers: 16)
        let quiet = UDPPeer(net, port: 5_001)
        var few: Handle?
        for host in 1...2 {
            try quiet.send([1], to: "198.51.100.\(host):9")
            few = quiet.expectSent([1], to: "198.51.100.\(host):9")
        }
        var mapping: Handle?
        for host in 1...40 {
            try peer.send([1], to: "203.0.113.\(host):9")
            mapping = peer.expectSent([1], to: "203.0.113.\(host):9")
        }
        #expect(try !passes("203.0.113.1:9", to: mapping, peer))
        #expect(try passes("203.0.113.27:9", to: mapping, peer))
        #expect(try passes("203.0.113.40:9", to: mapping, peer))
        for host in 1...2 { #expect(try passes("198.51.100.\(host):9", to: few, quiet)) }
        #expect(net.counters.read(.udpPeersEvicted) == 26)
    }

    @Test func `a sender that the guest has not sent to does not refresh a mapping`() throws {
        let (net, peer) = try bed()
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        for _ in 0..<9 {
            peer.advance(seconds: 20)
            #expect(try !passes("7.7.7.7:7", to: mapping, peer))
        }
        peer.advance(seconds: 1)
        net.expectEffect(.closeDatagram)
    }

    @Test(arguments: [UDPFiltering.address, .addressAndPort])
    func `a stream that only comes in goes on for as long as it comes`(_ filtering: UDPFiltering) throws {
        let (net, peer) = try bed(filtering)
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        for _ in 0..<20 {
            peer.advance(seconds: 19)
            #expect(try passes("8.8.8.8:123", to: mapping, peer))
        }
        peer.advance(seconds: 179)
        net.expectNoEffect()
        peer.advance(seconds: 2)
        net.expectEffect(.closeDatagram)
    }

    @Test func `where anyone may send, what comes in prolongs no mapping`() throws {
        let (net, peer) = try bed(.endpointIndependent)
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        for _ in 0..<9 {
            peer.advance(seconds: 19)
            #expect(try passes("8.8.8.8:123", to: mapping, peer))
        }
        peer.advance(seconds: 10)
        net.expectEffect(.closeDatagram)
    }

    @Test func `late answers of a name server prolong no mapping either`() throws {
        let (net, peer) = try bed()
        try peer.send([1], to: "8.8.8.8:53")
        let mapping = peer.expectSent([1], to: "8.8.8.8:53")
        for _ in 0..<2 {
            #expect(try passes("8.8.8.8:53", to: mapping, peer))
            peer.advance(seconds: 3)
        }
        net.expectEffect(.closeDatagram)
    }

    // MARK: Policy

    @Test func `datagrams of a denied sender are dropped, whatever the filter`() throws {
        let (net, peer) = try bed(.endpointIndependent, deny: ["10.9.9.66/32"])
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        #expect(try !passes("10.9.9.66:7777", to: mapping, peer))
        #expect(try passes("10.9.9.67:7777", to: mapping, peer))
        #expect(net.counters.read(.droppedRefusedSender) == 1)
    }

    @Test func `a policy that changes holds for what comes in by mappings that exist`() throws {
        let (net, peer) = try bed()
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        net.stack.policy.deny = [try #require(CIDRBlock("8.8.8.0/24"))]
        #expect(try !passes("8.8.8.8:123", to: mapping, peer))
    }

    @Test func `datagrams of the host's loopback are dropped where the guest is denied it`() throws {
        let (_, open) = try bed(.endpointIndependent)
        try open.send([1], to: "8.8.8.8:123")
        #expect(try passes("127.0.0.1:7777", to: open.expectSent([1], to: "8.8.8.8:123"), open))
        let (net, peer) = try bed(.endpointIndependent, hostLoopback: false)
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        #expect(try !passes("127.0.0.1:7777", to: mapping, peer))
        #expect(try !passes("127.0.0.5:7777", to: mapping, peer))
        #expect(net.counters.read(.droppedRefusedSender) == 2)
    }

    @Test(arguments: ["192.168.127.1:53", "192.168.127.3:53", "169.254.169.254:80"])
    func `nothing comes in the name of the gateway, a neighbour or a link-local service`(_ sender: String) throws {
        let (_, peer) = try bed(.endpointIndependent)
        try peer.send([1], to: "8.8.8.8:123")
        #expect(try !passes(sender, to: peer.expectSent([1], to: "8.8.8.8:123"), peer))
    }
}
