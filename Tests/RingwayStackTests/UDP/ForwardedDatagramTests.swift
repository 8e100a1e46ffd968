import RingwayModel
import RingwayStack
import RingwayStorage
import Testing

@Suite("Datagrams of a published port")
struct ForwardedDatagramTests {
    let net: StackUnderTest
    let peer: UDPPeer

    init() throws {
        net = try StackUnderTest()
        peer = UDPPeer(net, port: 7_000)
    }

    private func clientSends(_ payload: [UInt8], from client: String, listener: UInt32 = 3) throws {
        let sender = try #require(TransportAddress(client))
        let lease = net.buffer(payload)
        net.turn {
            $0.forwardedDatagramReceived(
                listener: listener, from: sender, to: IPAddress(IPv4Address(10, 0, 0, 1)), guest: peer.guest, lease,
                offset: Stack.headroom, length: payload.count, segmentSize: 0)
        }
    }

    @Test func `the guest sees the client's own address, and its answer goes back through the listener`() throws {
        try clientSends([1, 2], from: "203.0.113.5:4000")
        #expect(peer.received() == UDPPeer.Received(source: "203.0.113.5", port: 4_000, payload: [1, 2]))
        try peer.send([3], to: "203.0.113.5:4000")
        let flow = try #require(peer.expectSent([3], to: "203.0.113.5:4000", .sendForwardedDatagram))
        let mapping = net.stack.forwardedMapping(flow)
        #expect(mapping?.listener == 3)
        #expect(mapping.map { "\($0.client)" } == "203.0.113.5:4000")
        #expect(mapping.map { "\($0.local)" } == "10.0.0.1")
    }

    @Test func `a client on the host's loopback is answered there`() throws {
        try clientSends([1], from: "127.0.0.1:4000")
        #expect(peer.received()?.source == "192.168.127.254")
        try peer.send([3], to: "192.168.127.254:4000")
        peer.expectSent([3], to: "127.0.0.1:4000", .sendForwardedDatagram)
    }

    @Test(
        arguments: [
            (ICMPError.Reason.reported(type: 1, code: 4, parameter: 0), [3, 3, 0, 0]),
            (.reported(type: 3, code: 0, parameter: 0), [11, 0, 0, 0]),
            (.reported(type: 2, code: 0, parameter: 1_420), [3, 4, 0x05, 0x78]),
            (.packetTooBig(mtu: 1_420), [3, 4, 0x05, 0x78]), (.hostUnreachable, [3, 1, 0, 0]),
        ] as [(ICMPError.Reason, [UInt8])])
    func `the guest gets the errors about a client of the other family, as those of its own family`(
        _ reason: ICMPError.Reason, _ expected: [UInt8]
    ) throws {
        let client = try #require(TransportAddress("[2001:db8::5]:4000"))
        try clientSends([1], from: "[2001:db8::5]:4000")
        #expect(peer.received() == UDPPeer.Received(source: "192.168.127.254", port: 4_000, payload: [1]))
        try peer.send([3], to: "192.168.127.254:4000")
        let flow = try #require(peer.expectSent([3], to: "[2001:db8::5]:4000", .sendForwardedDatagram))
        #expect(net.stack.forwardedMapping(of: client, guest: peer.guest) == flow)
        net.turn { stack in
            [UInt8(3)].withUnsafeBytes {
                stack.datagramFailed(flow, to: client, reason, from: client.address, payload: $0)
            }
        }
        let packet = try #require(net.frames.first).dropFirst(12 + 14)
        let host: [UInt8] = [192, 168, 127, 254]
        // From the host's address, with type, code and MTU; about a datagram to the host's address.
        #expect(Array(packet.dropFirst(12).prefix(4)) == host)
        let message = Array(packet.dropFirst(20))
        #expect([message[0], message[1], message[6], message[7]] == expected)
        #expect(Array(message[24..<28]) == host)
    }

    @Test func `the same port of the guest has its own mapping for other destinations`() throws {
        try clientSends([1], from: "203.0.113.5:4000")
        try peer.send([3], to: "203.0.113.6:4000")
        peer.expectSent([3], to: "203.0.113.6:4000")
        #expect(net.counters.read(.udpMappings) == 2)
    }

    @Test func `clients are kept apart, and expire without a socket to close`() throws {
        try clientSends([1], from: "203.0.113.5:4000")
        try clientSends([1], from: "203.0.113.5:4001")
        #expect(net.counters.read(.udpMappings) == 2)
        peer.advance(seconds: 181)
        net.expectNoEffect()
        #expect(net.counters.read(.udpMappings) == 0)
        net.frames = []
        net.expectNothingHeld()
    }

    @Test func `a client that comes through another listener is answered through that one`() throws {
        try clientSends([1], from: "203.0.113.5:4000", listener: 3)
        try clientSends([1], from: "203.0.113.5:4000", listener: 4)
        try peer.send([3], to: "203.0.113.5:4000")
        let flow = try #require(peer.expectSent([3], to: "203.0.113.5:4000", .sendForwardedDatagram))
        #expect(net.stack.forwardedMapping(flow)?.listener == 4)
    }

    @Test func `with the listener its clients go`() throws {
        try clientSends([1], from: "203.0.113.5:4000", listener: 3)
        try clientSends([1], from: "203.0.113.6:4000", listener: 4)
        net.turn { $0.listenerClosed(3, guest: peer.guest) }
        #expect(net.counters.read(.udpMappings) == 1)
        try peer.send([3], to: "203.0.113.5:4000")
        peer.expectSent([3], to: "203.0.113.5:4000")
    }

    @Test func `clients are answered even if the policy denies their addresses`() throws {
        net.stack.policy.deny = [try #require(CIDRBlock("203.0.113.0/24"))]
        net.stack.policy.hostLoopback = false
        net.stack.policy.udpFiltering = .addressAndPort
        for (client, shown) in [("203.0.113.5:4000", "203.0.113.5"), ("127.0.0.1:4000", "192.168.127.254")] {
            try clientSends([1], from: client)
            #expect(peer.received()?.source == shown)
            try peer.send([3], to: "\(shown):4000")
            peer.expectSent([3], to: client, .sendForwardedDatagram)
            // The guest may not send to the peer's other ports.
            try peer.send([3], to: "\(shown):4001")
            net.expectNoEffect()
            net.frames = []
        }
        #expect(net.counters.read(.droppedPolicy) == 2)
    }

    // MARK: The guest speaks first

    private func publish(_ listener: UInt32, bound: String) throws {
        let address = try #require(IPAddress(bound))
        net.turn { $0.datagramPortPublished(listener, bound: address, guest: peer.guest) }
    }

    @Test func `what the guest sends first from a published port leaves from it, and the answer comes back`() throws {
        try publish(3, bound: "0.0.0.0")
        try peer.send([1], to: "203.0.113.5:4000")
        let flow = try #require(peer.expectSent([1], to: "203.0.113.5:4000", .sendForwardedDatagram))
        #expect(net.stack.forwardedMapping(flow)?.listener == 3)
        #expect(net.stack.forwardedMapping(flow)?.local.isUnspecified == true)
        try clientSends([2], from: "203.0.113.5:4000")
        #expect(peer.received() == UDPPeer.Received(source: "203.0.113.5", port: 4_000, payload: [2]))
        #expect(net.counters.read(.udpMappings) == 1)
        // It may send to another peer, but not from another port.
        try peer.send([3], to: "203.0.113.6:4000")
        peer.expectSent([3], to: "203.0.113.6:4000", .sendForwardedDatagram)
        let other = UDPPeer(net, port: 7_001)
        try other.send([4], to: "203.0.113.6:4000")
        other.expectSent([4], to: "203.0.113.6:4000")
    }

    @Test func `a port that is published later is the source from then on, and none when it is no longer`() throws {
        try peer.send([1], to: "203.0.113.5:4000")
        peer.expectSent([1], to: "203.0.113.5:4000")
        try publish(3, bound: "0.0.0.0")
        net.expectEffect(.closeDatagram)
        try peer.send([1], to: "203.0.113.5:4000")
        peer.expectSent([1], to: "203.0.113.5:4000", .sendForwardedDatagram)
        net.turn { $0.listenerClosed(3, guest: peer.guest) }
        try peer.send([1], to: "203.0.113.5:4000")
        peer.expectSent([1], to: "203.0.113.5:4000")
    }

    @Test func `a port of the loopback is the source of what goes to the loopback alone`() throws {
        try publish(3, bound: "127.0.0.1")
        try peer.send([1], to: "203.0.113.5:4000")
        peer.expectSent([1], to: "203.0.113.5:4000")
        let other = UDPPeer(net, port: 7_001)
        net.turn {
            $0.datagramPortPublished(4, bound: IPAddress(IPv4Address(127, 0, 0, 1)), guest: other.guest)
        }
        try other.send([1], to: "192.168.127.254:4000")
        other.expectSent([1], to: "127.0.0.1:4000", .sendForwardedDatagram)
    }

    @Test func `clients that the guest does not answer give way to those it does`() throws {
        try clientSends([1], from: "203.0.113.5:4000")
        try peer.send([2], to: "203.0.113.5:4000")
        peer.expectSent([2], to: "203.0.113.5:4000", .sendForwardedDatagram)
        for port in 1...40 { try clientSends([1], from: "198.51.100.1:\(port)") }
        #expect(net.counters.read(.udpMappings) == 16)
        try peer.send([3], to: "203.0.113.5:4000")
        peer.expectSent([3], to: "203.0.113.5:4000", .sendForwardedDatagram)
    }
}
