import RingwayStack
import RingwayStorage
import RingwayWire
import TestSupport
import Testing

@Suite("Bytes from the guest")
struct TCPReceivingTests {
    let net: StackUnderTest
    let peer: TCPPeer

    init() throws {
        net = try StackUnderTest()
        peer = try TCPPeer.established(net)
    }

    @Test func `established: bytes in order are acknowledged and given to the host`() {
        peer.send([.ack, .psh], seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        peer.expect(.ack, seq: 1, ack: 111)
        peer.expectHostTakes(TCPPeer.pattern(10))
        peer.send(.ack, seq: 111, ack: 1, payload: TCPPeer.pattern(5, from: 10))
        peer.expectHostTakes(TCPPeer.pattern(5, from: 10))
        net.expectNoEffect()
    }

    @Test func `while a send is under way what follows waits for the next one`() {
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        net.expectEffect(.sendStream)
        peer.send(.ack, seq: 111, ack: 1, payload: TCPPeer.pattern(10, from: 10))
        net.expectNoEffect()
        #expect(peer.parked == TCPPeer.pattern(20))
        peer.hostTakes(4)
        net.expectEffect(.sendStream)
        #expect(peer.parked == TCPPeer.pattern(16, from: 4))
    }

    @Test func `a send that took nothing is asked for again`() {
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        net.expectEffect(.sendStream)
        peer.hostTakes(0)
        net.expectEffect(.sendStream)
    }

    @Test func `old bytes are acknowledged and not taken again`() {
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        peer.expect(.ack, ack: 111)
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        peer.expect(.ack, ack: 111)
        peer.expectHostTakes(TCPPeer.pattern(10))
        net.expectNoEffect()
    }

    @Test func `of a segment that overlaps what is there only the rest is taken`() {
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        peer.send(.ack, seq: 106, ack: 1, payload: TCPPeer.pattern(10, from: 5))
        net.expectEffect(.sendStream)
        #expect(peer.parked == TCPPeer.pattern(15))
        peer.expect(.ack, ack: 111)
        peer.expect(.ack, ack: 116)
    }

    // MARK: Out of order

    @Test func `bytes ahead of a gap are reported by SACK and delivered when it closes`() {
        peer.send(.ack, seq: 111, ack: 1, payload: TCPPeer.pattern(10, from: 10))
        let report = peer.expect(.ack, ack: 101)
        #expect(report?.options.sackBlockCount == 1)
        #expect(report?.options.sackBlocks[0] == SACKBlock(start: SequenceNumber(111), end: SequenceNumber(121)))
        net.expectNoEffect()
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        let all = peer.expect(.ack, ack: 121)
        #expect(all?.options.sackBlockCount == 0)
        peer.expectHostTakes(TCPPeer.pattern(20))
    }

    @Test func `the block that arrived last is reported first, and three at most`() {
        for start: UInt32 in [111, 131, 151, 171] {
            peer.send(.ack, seq: start, ack: 1, payload: TCPPeer.pattern(10, from: Int(start) - 101))
        }
        for _ in 0..<3 { peer.expect(.ack, ack: 101) }
        let report = peer.expect(.ack, ack: 101)
        #expect(report?.options.sackBlockCount == 3)
        #expect(report?.options.sackBlocks[0].start == SequenceNumber(171))
    }

    @Test func `a guest that did not permit SACK gets none`() throws {
        let peer = try TCPPeer.established(net, port: 41_000, options: TCPPeer.options(segmentSize: 1_460))
        peer.send(.ack, seq: 111, ack: 1, payload: TCPPeer.pattern(10))
        #expect(peer.expect(.ack, ack: 101)?.options.sackBlockCount == 0)
    }

    @Test func `pieces in any order, overlapping, make one stream`() {
        let stream = TCPPeer.pattern(4_000)
        var noise = SeededNoise(seed: 42)
        var pieces: [Range<Int>] = stride(from: 0, to: 4_000, by: 100).map { $0..<$0 + 100 }
        for _ in 0..<60 {
            let start = Int(noise.next() % 3_900)
            pieces.append(start..<min(4_000, start + 1 + Int(noise.next() % 400)))
        }
        pieces.shuffle(using: &noise)
        for piece in pieces {
            peer.send(.ack, seq: UInt32(101 + piece.lowerBound), ack: 1, payload: Array(stream[piece]))
        }
        #expect(peer.parked == stream)
        net.frames = []
        peer.send(.ack, seq: 4_101, ack: 1)
        peer.send([.fin, .ack], seq: 4_101, ack: 1)
        peer.expect(.ack, ack: 4_102)
    }

    @Test func `out-of-order bytes are bounded, and what is dropped can be sent again`() throws {
        var limits = StackUnderTest.limits
        limits.outOfOrderBytesPerFlow = 8_192
        let net = try StackUnderTest(limits: limits)
        let peer = try TCPPeer.established(net)
        for index in 0..<10 {
            peer.send(.ack, seq: UInt32(111 + 20 * index), ack: 1, payload: TCPPeer.pattern(10, from: 10 + 20 * index))
        }
        #expect(net.counters.read(.tcpOutOfOrderDropped) > 0)
        for index in 0..<20 {
            peer.send(.ack, seq: UInt32(101 + 10 * index), ack: 1, payload: TCPPeer.pattern(10, from: 10 * index))
        }
        #expect(peer.parked == TCPPeer.pattern(200))
    }

    @Test func `FIN ahead of a gap counts when the gap closes`() {
        peer.send([.fin, .ack], seq: 106, ack: 1, payload: TCPPeer.pattern(5, from: 5))
        peer.expect(.ack, ack: 101)
        #expect(peer.state == .established)
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(5))
        peer.expect(.ack, ack: 112)
        #expect(peer.state == .closeWait)
        peer.expectHostTakes(TCPPeer.pattern(10))
        net.expectEffect(.shutdownStream)
    }

    // MARK: The window

    @Test func `the window shrinks by what is parked, and its right edge stays`() {
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(1_000))
        peer.expect(.ack, ack: 1_101, window: 64_535)
        peer.send(.ack, seq: 1_101, ack: 1, payload: TCPPeer.pattern(1_000))
        peer.expect(.ack, ack: 2_101, window: 63_535)
    }

    @Test func `a full window closes, is probed, and is told to be open again`() {
        fillWindow(peer, byteCount: 65_535)
        // Whatever comes beyond it is answered with what we have.
        peer.send(.ack, seq: 65_636, ack: 1, payload: [1])
        peer.expect(.ack, ack: 65_636, window: 0)
        #expect(net.counters.read(.tcpBeyondWindow) == 1)
        // So is the probe of an old byte, as Linux makes it.
        peer.send(.ack, seq: 65_635, ack: 1)
        peer.expect(.ack, ack: 65_636, window: 0)
        net.expectEffect(.sendStream)
        peer.hostTakes(10_000)
        peer.expect(.ack, ack: 65_636, window: 10_000)
    }

    @Test func `of a segment that crosses the window's edge what lies inside is taken`() {
        fillWindow(peer, byteCount: 65_000)
        peer.send(.ack, seq: 65_101, ack: 1, payload: TCPPeer.pattern(600))
        peer.expect(.ack, ack: 65_636, window: 0)
    }

    @Test func `an acknowledgement at the edge of a closed window still counts`() {
        fillWindow(peer, byteCount: 65_535)
        peer.hostSends(TCPPeer.pattern(100))
        peer.expect(.ack, seq: 1, length: 100)
        peer.send(.ack, seq: 65_636, ack: 101)
        #expect(net.pool.pointee.leased > 0)
        peer.advance(by: 10 * StackUnderTest.second)
        // Nothing is sent again.
        peer.expectSilence()
    }

    @Test func `an empty segment just at the edge of the window is not answered`() {
        // The guest has sent all it may; its first bytes are on their way or lost. What it acknowledges is news.
        peer.send(.ack, seq: 101 + 65_535, ack: 1)
        peer.expectSilence()
    }

    @Test func `a small window update is not worth a segment`() {
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(1_000))
        peer.expect(.ack)
        net.expectEffect(.sendStream)
        peer.hostTakes(1_000)
        peer.expectSilence()
    }

    @Test func `small segments cannot keep a scaled window open`() throws {
        let peer = try TCPPeer.established(
            net, port: 41_000, options: TCPPeer.options(segmentSize: 1_460, scale: 7, sack: true))
        var sequence: UInt32 = 101
        var window = 1
        var sent = 0
        while window > 0, sent < 2_000 {
            peer.send(.ack, seq: sequence, ack: 1, payload: TCPPeer.pattern(200))
            guard let answer = peer.expect(.ack) else { break }
            window = answer.window
            sequence = answer.acknowledgement
            sent += 1
        }
        #expect(window == 0)
        #expect(net.counters.read(.tcpUnsentBytes) <= 65_535 + TCPBounds.edgeSlack + 256)
    }

    @Test func `the window grows while the host keeps up`() throws {
        let peer = try TCPPeer.established(
            net, port: 41_000, options: TCPPeer.options(segmentSize: 1_460, scale: 7, sack: true))
        var sequence: UInt32 = 101
        var window = 0
        for _ in 0..<1_000 {
            peer.send(.ack, seq: sequence, ack: 1, payload: TCPPeer.pattern(1_400))
            sequence += 1_400
            peer.hostTakes(1_400)
            net.effects = []
            if let answer = peer.expect(.ack, ack: sequence) { window = answer.window << 8 }
            net.frames = []
        }
        #expect(window > 500_000)
    }

    private func fillWindow(_ peer: TCPPeer, byteCount: Int) {
        var position = 0
        while position < byteCount {
            let count = min(1_460, byteCount - position)
            peer.send(
                .ack, seq: UInt32(101 + position), ack: 1, payload: TCPPeer.pattern(count, from: position))
            peer.expect(.ack, ack: UInt32(101 + position + count), window: 65_535 - position - count)
            position += count
        }
    }
}
