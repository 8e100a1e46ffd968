import RingwayStorage
import RingwayWire
import Testing

@testable import RingwayStack

/// What the guest says by ICMP about datagrams that it was sent.
@Suite("ICMP errors from the guest about datagrams")
struct GuestErrorTests {
    let net: StackUnderTest
    let peer: UDPPeer

    init() throws {
        net = try StackUnderTest()
        peer = UDPPeer(net, port: 7_000)
    }

    private func clientSends(_ length: Int, from client: String) throws {
        let sender = try #require(TransportAddress(client))
        let lease = net.buffer([UInt8](repeating: 9, count: length))
        net.turn {
            $0.forwardedDatagramReceived(
                listener: 3, from: sender, to: IPAddress(IPv4Address(10, 0, 0, 1)), guest: peer.guest, lease,
                offset: Stack.headroom, length: length, segmentSize: 0)
        }
    }

    @Test func `a client of a published port without a server is refused`() throws {
        try clientSends(1, from: "203.0.113.5:4000")
        net.frames = []
        try peer.returnDatagram(from: "203.0.113.5:4000", code: 3)
        let effect = try #require(net.expectEffect(.refuseDatagram))
        let flow = effect.handle
        #expect(net.stack.forwardedMapping(flow).map { "\($0.client)" } == "203.0.113.5:4000")
        #expect(net.counters.read(.icmpErrorsFromGuest) == 1)
    }

    @Test func `nobody is refused who has not sent anything`() throws {
        try clientSends(1, from: "203.0.113.5:4000")
        net.frames = []
        try peer.returnDatagram(from: "203.0.113.99:4000", code: 3)
        try peer.returnDatagram(from: "203.0.113.5:4001", code: 3)
        net.expectNoEffect()
    }

    @Test func `refusals are bounded, and counted`() throws {
        try clientSends(1, from: "203.0.113.5:4000")
        for _ in 0..<80 { try peer.returnDatagram(from: "203.0.113.5:4000", code: 3) }
        #expect(net.effects.count == 50)
        #expect(net.counters.read(.udpRefusalsNotPassedOn) == 30)
    }

    @Test func `a mapping whose socket is closed in the guest ends`() throws {
        try peer.send([1], to: "8.8.8.8:123")
        peer.expectSent([1], to: "8.8.8.8:123")
        // From anyone else: the guest's socket may be connected.
        try peer.returnDatagram(from: "9.9.9.9:123", code: 3)
        net.expectNoEffect()
        try peer.returnDatagram(from: "8.8.8.8:123", code: 3)
        net.expectEffect(.closeDatagram)
        net.expectNothingHeld()
    }

    @Test func `a smaller link behind the guest has datagrams cut for ten minutes`() throws {
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        let payload = [UInt8](repeating: 9, count: 1_400)
        try peer.hostSends(payload, from: "8.8.8.8:123", to: mapping)
        #expect(net.frames.count == 1)
        net.frames = []
        try peer.returnDatagram(from: "8.8.8.8:123", code: 4, parameter: 1_000)
        try peer.hostSends(payload, from: "8.8.8.8:123", to: mapping)
        #expect(net.frames.count == 2)
        #expect(net.frames.allSatisfy { $0.count <= 12 + 14 + 1_000 })
        // The bit that would have the router drop them is off.
        #expect(net.frames.allSatisfy { $0[12 + 14 + 6] & 0x40 == 0 })
        net.frames = []
        // What fits goes out whole, and must not be cut.
        try peer.hostSends([UInt8](repeating: 9, count: 972), from: "8.8.8.8:123", to: mapping)
        #expect(net.frames.count == 1)
        net.frames = []
        for _ in 0..<4 {
            peer.advance(seconds: 151)
            try peer.send([1], to: "8.8.8.8:123")
            peer.expectSent([1], to: "8.8.8.8:123")
        }
        try peer.hostSends(payload, from: "8.8.8.8:123", to: mapping)
        #expect(net.frames.count == 1)
    }

    @Test func `trains are cut into datagrams that fit, each with its own boundaries`() throws {
        try clientSends(1, from: "203.0.113.5:4000")
        net.frames = []
        try peer.returnDatagram(from: "203.0.113.5:4000", code: 4, parameter: 1_000)
        let sender = try #require(TransportAddress("203.0.113.5:4000"))
        let lease = net.buffer([UInt8](repeating: 9, count: 4_200))
        net.turn {
            $0.forwardedDatagramReceived(
                listener: 3, from: sender, to: IPAddress(IPv4Address(10, 0, 0, 1)), guest: peer.guest, lease,
                offset: Stack.headroom, length: 4_200, segmentSize: 1_400)
        }
        // Three datagrams of 1,400 bytes in two fragments each.
        #expect(net.frames.count == 6)
        #expect(net.frames.allSatisfy { $0.count <= 12 + 14 + 1_000 })
    }

    @Test func `about a datagram of no mapping nothing is believed`() throws {
        try peer.returnDatagram(from: "8.8.8.8:123", code: 4, parameter: 600)
        try peer.send([1], to: "8.8.8.8:123")
        let mapping = peer.expectSent([1], to: "8.8.8.8:123")
        try peer.hostSends([UInt8](repeating: 9, count: 1_400), from: "8.8.8.8:123", to: mapping)
        #expect(net.frames.count == 1)
    }

    @Test func `shards know whose flow an error is about`() throws {
        let frame = [UInt8](repeating: 0, count: VirtioNetHeader.length)
        for port in 6_000..<6_040 {
            let remote = IPv4Address(8, 8, 8, 8)
            var quoted = GuestFrame.written(28) {
                IPv4Fields(
                    source: remote, destination: ServiceNetwork.guestIPv4, protocolNumber: IPProtocol.udp,
                    payloadLength: 8
                ).write(to: $0)
                UDPFields(sourcePort: 53, destinationPort: UInt16(port), payloadLength: 0).write(to: $0 + 20)
            }
            quoted = GuestFrame.icmpv4(type: 3, code: 3, to: remote, quoted).bytes
            let bytes = frame + quoted
            let summary = try GuestFrame(bytes: quoted).summary()
            let owner = bytes.withUnsafeBytes { summary.owner(in: $0, shards: 4, secret: 5) }
            let key = FlowKey(
                guest: IPAddress(ServiceNetwork.guestIPv4), guestPort: UInt16(port), transport: .udp)
            #expect(owner == key.owner(shards: 4, secret: 5))
        }
    }
}

@Suite("Path MTUs behind the guest")
struct PathMTUCacheTests {
    private let first = IPAddress(IPv4Address(192, 168, 127, 2))

    @Test func `are the smallest that was reported, within bounds`() {
        var cache = PathMTUCache(linkMTU: 1_500)
        cache.note(1_400, toward: first, now: 0)
        cache.note(1_450, toward: first, now: 1)
        #expect(cache.mtu(toward: first, now: 2) == 1_400)
        cache.note(0, toward: first, now: 3)
        #expect(cache.mtu(toward: first, now: 4) == 552)
        cache.note(9_000, toward: IPAddress(IPv4Address(192, 168, 127, 3)), now: 5)
        #expect(cache.count == 1)
        let ipv6 = IPAddress(IPv6Address(high: 0xFD << 56, low: 2))
        cache.note(600, toward: ipv6, now: 6)
        #expect(cache.mtu(toward: ipv6, now: 7) == 1_280)
    }

    @Test func `are forgotten, and of too many the one that was learned first`() {
        var cache = PathMTUCache(linkMTU: 1_500)
        for index in 0..<UInt32(20) {
            cache.note(1_000, toward: IPAddress(IPv4Address(rawValue: index)), now: UInt64(index))
        }
        #expect(cache.count == PathMTUCache.capacity)
        #expect(cache.mtu(toward: IPAddress(IPv4Address(rawValue: 0)), now: 30) == 1_500)
        #expect(cache.mtu(toward: IPAddress(IPv4Address(rawValue: 19)), now: 30) == 1_000)
        let later = PathMTUCache.lifetime + 100
        #expect(cache.mtu(toward: IPAddress(IPv4Address(rawValue: 19)), now: later) == 1_500)
        #expect(cache.count == PathMTUCache.capacity - 1)
    }
}
