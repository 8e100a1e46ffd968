import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

@Suite("Closing a connection")
struct TCPClosingTests {
    let net: StackUnderTest
    let peer: TCPPeer

    init() throws {
        net = try StackUnderTest()
        peer = try TCPPeer.established(net)
    }

    // MARK: The guest ends first

    @Test func `closeWait: the host goes on sending after the guest's FIN`() {
        peer.send([.fin, .ack], seq: 101, ack: 1)
        peer.expect(.ack, seq: 1, ack: 102)
        net.expectEffect(.shutdownStream)
        #expect(peer.state == .closeWait)
        peer.hostSends(TCPPeer.pattern(100))
        peer.expect(.ack, seq: 1, ack: 102, length: 100)
        peer.send(.ack, seq: 102, ack: 101)
        net.expectEffect(.receiveStream)
        peer.hostEnds()
        peer.expect([.fin, .ack], seq: 101, ack: 102)
        #expect(peer.state == .lastAck)
        peer.send(.ack, seq: 102, ack: 102)
        net.expectEffect(.closeStream)
        peer.expectSilence()
        net.expectNothingHeld()
    }

    @Test func `the guest's FIN reaches the host after the last byte, not before`() {
        peer.send([.fin, .ack], seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        peer.expect(.ack, ack: 112)
        net.expectEffect(.sendStream)
        net.expectNoEffect()
        peer.hostAccepts(4)
        net.expectEffect(.sendStream)
        net.expectNoEffect()
        peer.hostAccepts(6)
        net.expectEffect(.shutdownStream)
    }

    @Test func `closeWait: a repeated FIN is acknowledged and changes nothing`() {
        peer.send([.fin, .ack], seq: 101, ack: 1)
        peer.expect(.ack, ack: 102)
        net.expectEffect(.shutdownStream)
        peer.send([.fin, .ack], seq: 101, ack: 1)
        peer.expect(.ack, ack: 102)
        net.expectNoEffect()
        #expect(peer.state == .closeWait)
    }

    @Test func `closeWait: data after FIN is not taken`() {
        peer.send([.fin, .ack], seq: 101, ack: 1)
        peer.expect(.ack, ack: 102)
        net.expectEffect(.shutdownStream)
        peer.send(.ack, seq: 102, ack: 1, payload: [1, 2])
        peer.expect(.ack, ack: 102)
        net.expectNoEffect()
        #expect(peer.unsent == [])
    }

    @Test func `lastAck: FIN is repeated with back-off`() {
        peer.send([.fin, .ack], seq: 101, ack: 1)
        peer.expect(.ack)
        peer.hostEnds()
        peer.expect([.fin, .ack], seq: 1)
        for _ in 0..<2 {
            peer.advance(by: 20 * StackUnderTest.second)
            #expect(!net.frames.isEmpty)
            while !net.frames.isEmpty { peer.expect([.fin, .ack], seq: 1, ack: 102) }
        }
        #expect(peer.state == .lastAck)
    }

    @Test func `lastAck: what the host has yet to take outlives the guest's part`() {
        peer.send([.fin, .ack], seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        peer.expect(.ack)
        net.expectEffect(.sendStream)
        peer.hostEnds()
        peer.expect([.fin, .ack], seq: 1)
        peer.send(.ack, seq: 112, ack: 2)
        #expect(peer.state == .draining)
        peer.advance(by: 100 * StackUnderTest.second)
        #expect(peer.unsent == TCPPeer.pattern(10))
        peer.hostAccepts(10)
        net.expectEffect(.closeStream)
        net.expectNothingHeld()
    }

    // MARK: The host ends first

    @Test func `finWait2: the guest goes on sending after the host's end`() {
        peer.hostEnds()
        peer.expect([.fin, .ack], seq: 1, ack: 101)
        #expect(peer.state == .finWait1)
        peer.send(.ack, seq: 101, ack: 2)
        #expect(peer.state == .finWait2)
        peer.send(.ack, seq: 101, ack: 2, payload: TCPPeer.pattern(10))
        peer.expect(.ack, seq: 2, ack: 111)
        peer.expectHostAccepts(TCPPeer.pattern(10))
        peer.send([.fin, .ack], seq: 111, ack: 2)
        peer.expect(.ack, seq: 2, ack: 112)
        #expect(peer.state == .timeWait)
        net.expectEffect(.closeStream)
        peer.advance(by: 2 * StackUnderTest.second)
        net.expectNothingHeld()
    }

    @Test func `finWait2: a half-closed connection lives as long as the guest answers`() {
        peer.hostEnds()
        peer.expect([.fin, .ack])
        peer.send(.ack, seq: 101, ack: 2)
        for _ in 0..<100 {
            peer.advance(by: 60 * StackUnderTest.second)
            while !net.frames.isEmpty {
                peer.expect(.ack)
                peer.send(.ack, seq: 101, ack: 2)
            }
        }
        #expect(peer.state == .finWait2)
    }

    @Test func `finWait1: FIN that acknowledges ours goes to TIME-WAIT`() {
        peer.hostEnds()
        peer.expect([.fin, .ack])
        peer.send([.fin, .ack], seq: 101, ack: 2)
        peer.expect(.ack, seq: 2, ack: 102)
        #expect(peer.state == .timeWait)
        net.expectEffect(.closeStream)
    }

    @Test func `closing: FINs that cross are both acknowledged`() {
        peer.hostEnds()
        peer.expect([.fin, .ack], seq: 1)
        peer.send([.fin, .ack], seq: 101, ack: 1)
        peer.expect(.ack, seq: 2, ack: 102)
        #expect(peer.state == .closing)
        net.expectEffect(.shutdownStream)
        peer.send(.ack, seq: 102, ack: 2)
        #expect(peer.state == .timeWait)
        net.expectEffect(.closeStream)
        peer.advance(by: 2 * StackUnderTest.second)
        net.expectNothingHeld()
    }

    @Test func `FIN follows the last byte, and is sent again with it`() {
        peer.hostSends(TCPPeer.pattern(100))
        peer.hostEnds()
        peer.expect(.ack, seq: 1, length: 100)
        peer.expect([.fin, .ack], seq: 101)
        for _ in 0..<3 { peer.send(.ack, seq: 101, ack: 1) }
        peer.expect(.ack, seq: 1, length: 100)
        peer.advance(by: 2 * StackUnderTest.second)
        net.frames = []
        peer.send(.ack, seq: 101, ack: 101)
        peer.advance(by: 10 * StackUnderTest.second)
        #expect(!net.frames.isEmpty)
        while !net.frames.isEmpty { peer.expect([.fin, .ack], seq: 101) }
    }

    @Test func `FIN is no byte of the payload that the guest has taken`() throws {
        peer.hostSends(TCPPeer.pattern(100))
        peer.hostEnds()
        peer.send(.ack, seq: 101, ack: 102)
        #expect(peer.state == .finWait2)
        let record = try #require(net.flows.first)
        #expect(record.bytesToGuest == 100)
    }

    @Test func `a lost FIN is sent again once, not as often as the window allows`() {
        peer.hostSends(TCPPeer.pattern(100))
        peer.expect(.ack, seq: 1, length: 100)
        peer.hostEnds()
        peer.expect([.fin, .ack], seq: 101)
        peer.send(.ack, seq: 101, ack: 101)
        for _ in 0..<3 { peer.send(.ack, seq: 101, ack: 101) }
        peer.expect([.fin, .ack], seq: 101)
        peer.expectSilence()
    }

    // MARK: TIME-WAIT

    private func enterTimeWait(_ peer: TCPPeer, payload: [UInt8] = []) {
        peer.hostEnds()
        peer.expect([.fin, .ack])
        peer.send(.ack, seq: 101, ack: 2)
        peer.send([.fin, .ack], seq: 101, ack: 2, payload: payload)
        peer.expect(.ack)
        #expect(peer.state == .timeWait)
    }

    @Test func `timeWait: a repeated FIN is acknowledged, and the wait begins anew`() {
        enterTimeWait(peer)
        peer.advance(by: 900 * StackUnderTest.millisecond)
        peer.send([.fin, .ack], seq: 101, ack: 2)
        peer.expect(.ack, seq: 2, ack: 102)
        peer.advance(by: 900 * StackUnderTest.millisecond)
        #expect(peer.state == .timeWait)
        peer.advance(by: 200 * StackUnderTest.millisecond)
        #expect(peer.state == nil)
    }

    @Test func `timeWait: a SYN beyond the old numbers opens a new connection`() {
        enterTimeWait(peer)
        net.expectEffect(.closeStream)
        peer.send(.syn, seq: 90_000)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack], seq: 0, ack: 90_001)
    }

    @Test func `timeWait: bytes that the host has yet to take are not lost when it ends`() {
        enterTimeWait(peer, payload: TCPPeer.pattern(10))
        net.expectEffect(.sendStream)
        peer.advance(by: 100 * StackUnderTest.second)
        #expect(peer.unsent == TCPPeer.pattern(10))
        net.expectNoEffect()
        peer.hostAccepts(10)
        net.expectEffect(.closeStream)
        net.expectNothingHeld()
    }

    @Test func `timeWait: a late RST does not discard the host's unsent data`() {
        enterTimeWait(peer, payload: TCPPeer.pattern(10))
        net.expectEffect(.sendStream)
        peer.send(.rst, seq: 112)
        net.expectNoEffect()
        #expect(peer.unsent == TCPPeer.pattern(10))
        peer.hostAccepts(10)
        net.expectEffect(.closeStream)
        net.expectNothingHeld()
    }

    @Test func `timeWait: a new connection of the same port leaves the old one's bytes to the host`() throws {
        enterTimeWait(peer, payload: TCPPeer.pattern(10))
        net.expectEffect(.sendStream)
        let second = try TCPPeer(net)
        second.send(.syn, seq: 90_000)
        second.expectConnect()
        second.connectSucceeds()
        second.expect([.syn, .ack], ack: 90_001)
        second.send(.ack, seq: 90_001, ack: 1, payload: [7])
        #expect(second.unsent == [7])
        #expect(peer.unsent == TCPPeer.pattern(10))
        peer.hostAccepts(10)
        #expect(net.effects.map(\.kind) == [.receiveStream, .sendStream, .closeStream])
        #expect(second.state == .established)
        #expect(peer.state == nil)
    }

    @Test func `timeWait: a client of a published port may come again`() throws {
        let peer = try TCPPeer(net, port: 41_000)
        peer.openFromHost()
        peer.expect(.syn)
        peer.send([.syn, .ack], seq: 100, ack: 1)
        peer.expect(.ack)
        enterTimeWait(peer)
        peer.openFromHost()
        peer.expect(.syn)
    }

    // MARK: Resets

    @Test func `a host that fails is RST to the guest, in every state where it can listen`() throws {
        peer.hostFails()
        peer.expect([.rst, .ack], seq: 1, ack: 101)
        net.expectEffect(.closeStream)
        net.expectNothingHeld()

        let halfClosed = try TCPPeer.established(net, port: 41_000)
        halfClosed.send([.fin, .ack], seq: 101, ack: 1)
        halfClosed.expect(.ack)
        halfClosed.hostFails()
        halfClosed.expect([.rst, .ack], seq: 1, ack: 102)
    }

    @Test func `RST from the guest is RST to the host, with the unsent data discarded`() {
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        peer.expect(.ack)
        peer.send(.ack, seq: 121, ack: 1, payload: TCPPeer.pattern(10))
        peer.expect(.ack)
        peer.hostSends(TCPPeer.pattern(1_000))
        peer.expect(.ack, length: 1_000)
        net.effects = []
        peer.send([.rst, .ack], seq: 111, ack: 1)
        net.expectEffect(.resetStream)
        peer.expectSilence()
        net.expectNothingHeld()
        #expect(net.counters.read(.tcpResetByGuest) == 1)
    }

    @Test func `events of a socket whose connection is gone do nothing`() {
        let lease = net.buffer([1, 2, 3])
        peer.hostFails()
        net.frames = []
        net.turn { stack in
            guard let handle = peer.handle else { return }
            stack.streamSent(handle, bytes: 10)
            stack.streamReceived(handle, lease, offset: Stack.headroom, length: 3)
            stack.streamEnded(handle)
            stack.streamFailed(handle)
            stack.streamConnected(handle)
            stack.streamReceiveStarved(handle)
        }
        net.effects = []
        peer.expectSilence()
        net.expectNothingHeld()
    }

    // MARK: Keepalive

    @Test func `a silent guest is probed after two minutes, and its answer is enough`() {
        for _ in 0..<20 {
            peer.advance(by: 119 * StackUnderTest.second)
            peer.expectSilence()
            peer.advance(by: 2 * StackUnderTest.second)
            peer.expect(.ack, seq: 0, ack: 101, length: 0)
            peer.send(.ack, seq: 101, ack: 1)
        }
        #expect(peer.state == .established)
    }

    @Test func `a guest that is gone is given up after eight probes`() {
        peer.advance(by: 245 * StackUnderTest.second)
        #expect(net.counters.read(.tcpKeepaliveProbes) == 8)
        net.frames.removeFirst(min(8, net.frames.count))
        peer.expect([.rst, .ack], seq: 1)
        net.effects.removeAll { $0.kind == .receiveStream }
        net.expectEffect(.resetStream)
        net.expectNothingHeld()
    }
}
