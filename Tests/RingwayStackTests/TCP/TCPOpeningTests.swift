import RingwayModel
import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

@Suite("Opening a connection")
struct TCPOpeningTests {
    let net: StackUnderTest
    let peer: TCPPeer

    init() throws {
        net = try StackUnderTest()
        peer = try TCPPeer(net)
    }

    // MARK: From the guest

    @Test func `a SYN is answered once the host is connected, and no sooner`() {
        peer.send(.syn, seq: 100)
        peer.expectConnect(to: "198.51.100.7:80")
        peer.advance(by: 5 * StackUnderTest.second)
        peer.expectSilence()
        peer.connectSucceeds()
        peer.expect([.syn, .ack], seq: 0, ack: 101, window: 65_535)
        peer.send(.ack, seq: 101, ack: 1)
        #expect(peer.state == .established)
        #expect(net.counters.read(.tcpHalfOpen) == 0)
        net.expectEffect(.receiveStream)
        peer.expectSilence()
    }

    @Test func `IPv6 differs in nothing but addresses`() throws {
        let peer = try TCPPeer(net, to: "[2001:db8::7]:80")
        peer.send(.syn, seq: 100)
        peer.expectConnect(to: "[2001:db8::7]:80")
        peer.connectSucceeds()
        let answer = peer.expect([.syn, .ack], seq: 0, ack: 101)
        #expect(answer?.options.maximumSegmentSize == 1_440)
    }

    @Test func `the network's host address is the host's loopback`() throws {
        let peer = try TCPPeer(net, to: "192.168.127.254:80")
        peer.send(.syn, seq: 100)
        peer.expectConnect(to: "127.0.0.1:80")
    }

    @Test func `connecting: a repeated SYN opens no second socket`() {
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.send(.syn, seq: 100)
        net.expectNoEffect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack], ack: 101)
    }

    @Test func `connecting: a SYN with another number and other options is what gets the answer`() {
        peer.send(.syn, seq: 100, options: TCPPeer.options(segmentSize: 1_460, scale: 7, sack: true))
        peer.expectConnect()
        peer.send(.syn, seq: 5_000, options: TCPPeer.options(segmentSize: 600))
        net.expectNoEffect()
        peer.connectSucceeds()
        let answer = peer.expect([.syn, .ack], ack: 5_001)
        #expect(answer?.options.windowScale == nil)
        #expect(answer?.options.sackPermitted == false)
    }

    @Test func `connecting: RST ends the attempt on the host too`() {
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        net.turn { stack in
            if let handle = peer.handle { stack.streamOpened(handle, socket: 7) }
        }
        peer.send(.rst, seq: 101)
        net.expectEffect(.resetStream)
        peer.expectSilence()
        net.expectNothingHeld()
    }

    @Test func `a refused connect is RST to the guest`() {
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectFails(.refused)
        peer.expect([.rst, .ack], seq: 0, ack: 101)
        net.expectNoEffect()
        net.expectNothingHeld()
        #expect(net.counters.read(.tcpRefused) == 1)
    }

    @Test(
        arguments: zip([ConnectFailure.hostUnreachable, .networkUnreachable, .prohibited], [1, 0, 13]))
    func `an unreachable host is ICMP to the guest, quoting its SYN`(_ failure: ConnectFailure, code: UInt8) {
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectFails(failure)
        #expect(net.frames.count == 1)
        let message = net.frames.first.map { Array($0.dropFirst(12 + 14 + 20)) } ?? []
        net.frames = []
        #expect(message.prefix(2) == [3, code])
        // Behind the ICMP header the guest's own IP header, then its ports and sequence number.
        #expect(message.dropFirst(8 + 20).prefix(8) == [0x9C, 0x40, 0, 80, 0, 0, 0, 100])
        net.expectNothingHeld()
    }

    @Test func `an address of the network that no guest has is unreachable, about the guest's own SYN`() throws {
        let peer = try TCPPeer(net, to: "192.168.127.99:80")
        peer.send(.syn, seq: 100)
        let message = try Array(#require(net.frames.first).dropFirst(12 + 14 + 20))
        net.frames = []
        #expect(message.prefix(2) == [3, 1])
        #expect(message.dropFirst(8 + 20).prefix(8) == [0x9C, 0x40, 0, 80, 0, 0, 0, 100])
        net.expectNoEffect()
    }

    @Test(arguments: [ConnectFailure.timedOut, .exhausted])
    func `a connect that timed out is silence, and the next SYN a new attempt`(_ failure: ConnectFailure) {
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectFails(failure)
        peer.expectSilence()
        net.expectNothingHeld()
        peer.send(.syn, seq: 100)
        peer.expectConnect()
    }

    @Test func `a SYN to the gateway is refused where it has no service`() throws {
        let peer = try TCPPeer(net, to: "192.168.127.1:80")
        peer.send(.syn, seq: 100)
        peer.expect([.rst, .ack], seq: 0, ack: 101)
        net.expectNoEffect()
    }

    @Test func `a SYN to the gateway's port 53 is for the name service`() throws {
        let peer = try TCPPeer(net, to: "192.168.127.1:53")
        peer.send(.syn, seq: 100)
        let effect = net.expectEffect(.connectService)
        peer.handle = effect.map { $0.handle }
        peer.connectSucceeds()
        peer.expect([.syn, .ack], ack: 101)
    }

    @Test func `a SYN to a forbidden destination is refused`() throws {
        let block = try #require(CIDRBlock("198.51.100.0/24"))
        let net = try StackUnderTest(policy: DestinationPolicy(deny: [block]))
        let peer = try TCPPeer(net)
        peer.send(.syn, seq: 100)
        peer.expect([.rst, .ack], seq: 0, ack: 101)
        net.expectNoEffect()
        #expect(net.counters.read(.droppedPolicy) == 1)
    }

    /// Half-open connections, up to a shard's limit; the sockets exist.
    private func fillQuota(_ net: StackUnderTest, count: Int = 16) throws -> [TCPPeer] {
        let peers = try (0..<count).map { try TCPPeer(net, port: UInt16(30_000 + $0)) }
        for peer in peers {
            peer.send(.syn, seq: 100)
            peer.expectConnect()
            net.turn { stack in
                if let handle = peer.handle { stack.streamOpened(handle, socket: UInt32(peer.guest.port)) }
            }
        }
        return peers
    }

    private func netWithQuota() throws -> StackUnderTest {
        var limits = StackUnderTest.limits
        // Shared among the two shards.
        limits.halfOpenConnects = 32
        return try StackUnderTest(limits: limits)
    }

    @Test func `at the half-open quota the oldest connect gives way, and the new one begins at once`() throws {
        let net = try netWithQuota()
        let peers = try fillQuota(net)
        for number in 0..<3 {
            let peer = try TCPPeer(net, port: UInt16(31_000 + number))
            peer.send(.syn, seq: 100)
            // The oldest one's host socket is closed; its guest gets no reply, as if a router had lost the SYN.
            #expect(net.expectEffect(.resetStream)?.socket == UInt32(peers[number].guest.port))
            peer.expectConnect()
            peer.expectSilence()
            #expect(peers[number].state == nil)
            #expect(peers[number + 1].state == .connecting)
        }
        #expect(net.counters.read(.tcpHalfOpenEvicted) == 3)
        #expect(net.stack.halfOpenCount == 16)
        // The guest of an evicted connection may try again.
        peers[0].send(.syn, seq: 100)
        net.expectEffect(.resetStream)
        peers[0].expectConnect()
    }

    @Test func `a connect that was answered is not displaced`() throws {
        let net = try netWithQuota()
        let peers = try fillQuota(net)
        // Two are answered: one is established, the other's guest does not respond.
        for peer in peers.prefix(2) {
            peer.connectSucceeds()
            peer.expect([.syn, .ack])
        }
        peers[0].send(.ack, seq: 101, ack: 1)
        net.effects = []
        let first = try TCPPeer(net, port: 31_000)
        first.send(.syn, seq: 100)
        first.expectConnect()
        #expect(net.counters.read(.tcpHalfOpenEvicted) == 0)
        let second = try TCPPeer(net, port: 31_001)
        second.send(.syn, seq: 100)
        net.expectEffect(.resetStream)
        second.expectConnect()
        #expect(peers[0].state == .established)
        #expect(peers[1].state == nil)
    }

    @Test(arguments: [
        TCPPeer.options(segmentSize: nil), TCPPeer.options(segmentSize: 1_000, scale: 3),
        TCPPeer.options(segmentSize: 1_460, scale: 14, sack: true), TCPPeer.options(segmentSize: 60_000, sack: true),
    ]) func `SYN-ACK repeats what the guest offered, and offers nothing else`(_ options: TCPOptions) {
        peer.send(.syn, seq: 100, options: options)
        peer.expectConnect()
        peer.connectSucceeds()
        let answer = peer.expect([.syn, .ack])
        #expect(answer?.options.maximumSegmentSize == 1_460)
        #expect((answer?.options.windowScale != nil) == (options.windowScale != nil))
        #expect(answer?.options.sackPermitted == options.sackPermitted)
    }

    @Test func `synReceived: SYN-ACK is repeated with back-off, and given up with RST to both sides`() {
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack])
        let start = net.now
        for seconds: UInt64 in [1, 3, 7, 15, 31, 63] {
            net.advance(to: seconds * StackUnderTest.second - 10 * StackUnderTest.millisecond, after: start)
            peer.expectSilence()
            net.advance(to: seconds * StackUnderTest.second + 100 * StackUnderTest.millisecond, after: start)
            peer.expect([.syn, .ack], seq: 0, ack: 101)
        }
        peer.advance(by: 70 * StackUnderTest.second)
        peer.expect([.rst, .ack], seq: 1, ack: 101)
        net.expectEffect(.resetStream)
        net.expectNothingHeld()
    }

    @Test func `synReceived: a repeated SYN is answered by SYN-ACK again`() {
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack])
        peer.send(.syn, seq: 100)
        peer.expect([.syn, .ack], seq: 0, ack: 101)
    }

    @Test func `synReceived: an acknowledgement of something else is answered by RST`() {
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack])
        peer.send(.ack, seq: 101, ack: 500)
        peer.expect(.rst, seq: 500)
        #expect(peer.state == .synReceived)
    }

    @Test func `synReceived: data that comes with the acknowledgement is taken`() {
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack])
        peer.send(.ack, seq: 101, ack: 1, payload: [1, 2, 3])
        net.expectEffect(.receiveStream)
        peer.expectHostAccepts([1, 2, 3])
        peer.expect(.ack, ack: 104)
    }

    @Test func `synReceived: FIN with the acknowledgement opens and half-closes`() {
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack])
        peer.send([.fin, .ack], seq: 101, ack: 1)
        peer.expect(.ack, ack: 102)
        net.expectEffect(.receiveStream)
        net.expectEffect(.shutdownStream)
        #expect(peer.state == .closeWait)
    }

    @Test func `synReceived: RST closes the host's socket with RST`() {
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack])
        peer.send(.rst, seq: 101)
        net.expectEffect(.resetStream)
        peer.expectSilence()
        net.expectNothingHeld()
    }

    @Test func `initial sequence numbers differ between tuples and grow with time`() throws {
        var numbers: [UInt32] = []
        for port: UInt16 in 1_000..<1_020 {
            let peer = try TCPPeer(net, port: port)
            peer.send(.syn, seq: 100)
            peer.expectConnect()
            peer.connectSucceeds()
            peer.expect([.syn, .ack])
            numbers.append(try #require(peer.initialSequence))
        }
        #expect(Set(numbers).count == numbers.count)
    }

    // MARK: No connection

    @Test func `closed: a segment with ACK is refused at the number it acknowledges`() {
        peer.send(.ack, seq: 700, rawAck: 900, payload: [1])
        peer.expect(.rst, seq: 900, ack: 0)
    }

    @Test func `closed: FIN without ACK is refused with the acknowledgement of all of it`() {
        peer.send(.fin, seq: 700, payload: [1, 2])
        peer.expect([.rst, .ack], seq: 0, ack: 703)
    }

    @Test func `closed: RST is ignored`() {
        peer.send(.rst, seq: 700)
        peer.expectSilence()
    }

    @Test func `closed: SYN-ACK is refused and opens nothing`() {
        peer.send([.syn, .ack], seq: 700, rawAck: 5)
        peer.expect(.rst, seq: 5)
        net.expectNoEffect()
    }
}
