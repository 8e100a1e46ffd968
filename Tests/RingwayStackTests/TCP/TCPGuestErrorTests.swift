import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

/// What a router or a host inside the guest says about our packets (RFC 1191, RFC 8201, RFC 5927).
@Suite("ICMP errors from the guest about TCP")
struct TCPGuestErrorTests {
    let net: StackUnderTest
    let peer: TCPPeer

    init() throws {
        net = try StackUnderTest()
        peer = try TCPPeer.established(net)
    }

    private static func tooBig(_ mtu: UInt32, ipv4: Bool = true) -> ICMPFields {
        ipv4
            ? ICMPFields(type: 3, code: 4, parameter: mtu) : ICMPFields(type: 2, code: 0, parameter: mtu)
    }

    /// Sends bytes from the host and returns the frame.
    private func send(_ count: Int, from position: Int = 0, to peer: TCPPeer) -> [UInt8] {
        peer.hostSends(TCPPeer.pattern(count, from: position))
        let frame = peer.net.frames.last ?? []
        peer.net.frames = []
        return frame
    }

    /// Takes every frame there is: all of `bytes` must have been sent again, in segments of this size.
    private func expectAgain(_ bytes: Int, _ peer: TCPPeer, segmentSize: Int) {
        var position = 1
        while !peer.net.frames.isEmpty, let frame = peer.expect(.ack) {
            #expect(frame.sequence == position)
            #expect(frame.payload == TCPPeer.pattern(frame.payload.count, from: position - 1))
            if frame.payload.count > segmentSize { #expect(frame.segmentSize == segmentSize) }
            position += frame.payload.count
        }
        #expect(position == bytes + 1)
    }

    @Test func `a smaller link makes the segments smaller, and what was on its way is sent again`() {
        let frame = send(10_000, to: peer)
        peer.sendError(Self.tooBig(1_000), about: frame)
        expectAgain(10_000, peer, segmentSize: 960)
        #expect(net.counters.read(.tcpSegmentSizeLowered) == 1)
        // Every segment of the frame is reported; the first report was enough.
        peer.sendError(Self.tooBig(1_000), about: frame)
        peer.expectSilence()
        peer.send(.ack, seq: 101, ack: 10_001)
        net.effects = []
        peer.hostSends(TCPPeer.pattern(5_000, from: 10_000))
        #expect(peer.expect(.ack, seq: 10_001, length: 5_000)?.segmentSize == 960)
        // A second, smaller link behind it.
        let next = send(3_000, from: 15_000, to: peer)
        peer.sendError(Self.tooBig(700), about: next)
        #expect(peer.expect(.ack, seq: 10_001)?.segmentSize == 660)
    }

    @Test func `IPv6 says it in a message of its own`() throws {
        let net = try StackUnderTest()
        let peer = try TCPPeer(net, to: "[2001:db8::7]:80")
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack])
        peer.send(.ack, seq: 101, ack: 1)
        net.effects = []
        let frame = send(4_000, to: peer)
        peer.sendError(Self.tooBig(1_280, ipv4: false), about: frame)
        expectAgain(4_000, peer, segmentSize: 1_220)
    }

    @Test(arguments: [0, 68, 551] as [UInt32])
    func `no link is believed to be smaller than any link is`(_ mtu: UInt32) {
        let frame = send(4_000, to: peer)
        peer.sendError(Self.tooBig(mtu), about: frame)
        // An old router names no size; the next usual one below 4,040 bytes is taken then.
        let expected = mtu == 0 ? 1_460 : 512
        if mtu == 0 {
            peer.expectSilence()
        } else {
            expectAgain(4_000, peer, segmentSize: expected)
        }
    }

    @Test func `a router that names no size gets the next usual one below the packet's`() {
        let frame = send(1_200, to: peer)
        peer.sendError(Self.tooBig(0), about: frame)
        expectAgain(1_200, peer, segmentSize: 966)
    }

    @Test func `what quotes nothing that is on its way is not believed`() {
        let old = send(1_000, to: peer)
        peer.send(.ack, seq: 101, ack: 1_001)
        net.effects = []
        peer.sendError(Self.tooBig(1_000), about: old)
        peer.expectSilence()
        // A sequence number that was guessed, in the middle of a packet that is right otherwise.
        var guessed = send(1_000, from: 1_000, to: peer)
        guessed[12 + 14 + 20 + 4] ^= 0x40
        peer.sendError(Self.tooBig(1_000), about: guessed)
        peer.expectSilence()
        #expect(net.counters.read(.tcpSegmentSizeLowered) == 0)
        #expect(net.counters.read(.icmpErrorsFromGuest) == 2)
    }

    @Test(arguments: [(3, 0), (3, 1), (3, 2), (3, 3), (3, 13), (11, 0), (12, 0)] as [(UInt8, UInt8)])
    func `a connection that exists outlives reports of trouble`(_ type: UInt8, _ code: UInt8) {
        let frame = send(1_000, to: peer)
        peer.sendError(ICMPFields(type: type, code: code), about: frame)
        peer.expectSilence()
        #expect(peer.state == .established)
        peer.send(.ack, seq: 101, ack: 1_001)
        #expect(peer.state == .established)
    }

    @Test(arguments: [(3, 1), (3, 3), (3, 13)] as [(UInt8, UInt8)])
    func `a client of a published port is refused at once by such a report`(_ type: UInt8, _ code: UInt8) throws {
        let net = try StackUnderTest()
        let peer = try TCPPeer(net)
        peer.openFromHost()
        let frame = net.frames.last ?? []
        peer.expect(.syn)
        peer.sendError(ICMPFields(type: type, code: code), about: frame)
        net.expectEffect(.resetStream)
        net.expectNothingHeld()
        #expect(net.counters.read(.tcpRefused) == 1)
    }

    @Test func `neither noise nor a report about another's packet does anything`() {
        let frame = send(1_000, to: peer)
        for type in [0, 4, 5, 9, 13, 40] as [UInt8] { peer.sendError(ICMPFields(type: type, code: 4), about: frame) }
        for length in [0, 10, 27] { peer.sendError(Self.tooBig(1_000), about: Array(frame.prefix(26 + length))) }
        var other = frame
        other[12 + 14 + 20 + 2] ^= 1
        peer.sendError(Self.tooBig(1_000), about: other)
        peer.expectSilence()
        #expect(net.counters.read(.tcpSegmentSizeLowered) == 0)
    }

    @Test func `an error goes to the shard of the flow it is about`() throws {
        for port in 0..<32 {
            let peer = try TCPPeer(net, port: UInt16(30_000 + port))
            peer.send(.syn, seq: 100)
            peer.expectConnect()
            peer.connectSucceeds()
            let frame = net.frames.last ?? []
            peer.expect([.syn, .ack])
            let key = FlowKey(
                guest: peer.guest.address, guestPort: peer.guest.port, remote: peer.remote.address,
                remotePort: peer.remote.port, transport: .tcp)
            let error = Self.errorFrame(about: frame, peer)
            var summary = FrameSummary()
            let owner = error.withUnsafeBytes { bytes -> Int in
                #expect(FrameSummary.parse(bytes, into: &summary) == .none)
                return summary.owner(in: bytes, shards: 4, secret: 7)
            }
            #expect(owner == key.owner(shards: 4, secret: 7))
        }
    }

    private static func errorFrame(about frame: [UInt8], _ peer: TCPPeer) -> [UInt8] {
        let quote = Array(frame.dropFirst(26).prefix(28))
        var error = [UInt8](repeating: 0, count: 12 + 14 + 20 + 8) + quote
        error.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            EthernetFields(
                destination: peer.net.plan.gatewayMAC, source: StackUnderTest.guestMAC, etherType: EtherType.ipv4
            ).write(to: base + 12)
            IPv4Fields(
                source: peer.guest.address.ipv4, destination: peer.remote.address.ipv4,
                protocolNumber: IPProtocol.icmp, payloadLength: 8 + quote.count
            ).write(to: base + 26)
            ICMPFields(type: 3, code: 4, parameter: 1_000).write(to: base + 46)
            let sum = Checksum.finish(Checksum.partial(UnsafeRawBufferPointer(rebasing: bytes[46...])))
            bytes.storeBytes(of: sum, toByteOffset: 48, as: UInt16.self)
        }
        return error
    }
}
