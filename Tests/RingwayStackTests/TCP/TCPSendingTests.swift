import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

@Suite("Bytes to the guest")
struct TCPSendingTests {
    let net: StackUnderTest
    let peer: TCPPeer

    init() throws {
        net = try StackUnderTest()
        peer = try TCPPeer.established(net)
    }

    /// Sends `count` segments of 1,000 bytes, one by one.
    private func sendSegments(_ count: Int, to peer: TCPPeer) {
        for index in 0..<count {
            peer.hostSends(TCPPeer.pattern(1_000, from: index * 1_000))
            peer.expect(.ack, seq: 1 + index * 1_000, length: 1_000)
        }
        net.effects = []
    }

    @Test func `established: what the host sends becomes a segment at once`() {
        peer.hostSends(TCPPeer.pattern(100))
        peer.expect(.ack, seq: 1, ack: 101, payload: TCPPeer.pattern(100))
        net.expectEffect(.receiveStream)
        peer.send(.ack, seq: 101, ack: 101)
        peer.advance(by: 10 * StackUnderTest.second)
        peer.expectSilence()
    }

    @Test func `more than a segment goes out as one super-frame`() {
        peer.hostSends(TCPPeer.pattern(10_000))
        let frame = peer.expect(.ack, seq: 1, payload: TCPPeer.pattern(10_000))
        #expect(frame?.segmentSize == 1_460)
    }

    @Test func `no more is asked of the host than the guest's window takes`() throws {
        let peer = try TCPPeer(net, port: 41_000)
        peer.window = 3_000
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack])
        peer.send(.ack, seq: 101, ack: 1)
        #expect(net.expectEffect(.receiveStream)?.limit == 3_000)
        peer.hostSends(TCPPeer.pattern(2_000))
        peer.expect(.ack, length: 2_000)
        // A small rest of the window waits until what is on its way has arrived.
        net.expectNoEffect()
        peer.send(.ack, seq: 101, ack: 2_001)
        #expect(net.expectEffect(.receiveStream)?.limit == 3_000)
    }

    @Test func `the window is shifted by the guest's scale, except in SYN`() throws {
        let peer = try TCPPeer(net, port: 41_000)
        peer.send(.syn, seq: 100, window: 500, options: TCPPeer.options(segmentSize: 1_460, scale: 4))
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack])
        peer.send(.ack, seq: 101, ack: 1, window: 100)
        #expect(net.expectEffect(.receiveStream)?.limit == 1_600)
    }

    // MARK: Loss

    @Test func `three duplicate acknowledgements send the first segment again`() {
        sendSegments(5, to: peer)
        peer.send(.ack, seq: 101, ack: 1)
        peer.send(.ack, seq: 101, ack: 1)
        peer.expectSilence()
        peer.send(.ack, seq: 101, ack: 1)
        peer.expect(.ack, seq: 1, length: 1_000)
        peer.expectSilence()
        #expect(net.counters.read(.tcpFastRetransmits) == 1)
    }

    @Test func `segments with data or another window are no duplicates`() {
        sendSegments(5, to: peer)
        peer.send(.ack, seq: 101, ack: 1, payload: [1])
        peer.send(.ack, seq: 102, ack: 1, window: 64_000)
        peer.send(.ack, seq: 102, ack: 1, window: 63_000)
        peer.send(.ack, seq: 102, ack: 1, window: 62_000)
        #expect(net.counters.read(.tcpFastRetransmits) == 0)
    }

    @Test func `a partial acknowledgement names the next loss`() throws {
        let peer = try TCPPeer.established(net, port: 41_000, options: TCPPeer.options(segmentSize: 1_000))
        sendSegments(6, to: peer)
        for _ in 0..<3 { peer.send(.ack, seq: 101, ack: 1) }
        peer.expect(.ack, seq: 1, length: 1_000)
        peer.send(.ack, seq: 101, ack: 2_001)
        peer.expect(.ack, seq: 2_001, length: 1_000)
        peer.expectSilence()
        peer.send(.ack, seq: 101, ack: 6_001)
        peer.expectSilence()
    }

    @Test func `what is selectively acknowledged is not sent again`() {
        sendSegments(6, to: peer)
        // The first and the fourth are lost.
        peer.send(.ack, seq: 101, ack: 1, sack: [1_001..<2_001])
        peer.send(.ack, seq: 101, ack: 1, sack: [1_001..<3_001])
        peer.send(.ack, seq: 101, ack: 1, sack: [4_001..<5_001, 1_001..<3_001])
        peer.send(.ack, seq: 101, ack: 1, sack: [4_001..<6_001, 1_001..<3_001])
        var again: [Int] = []
        while let frame = net.frames.isEmpty ? nil : peer.expect(.ack) {
            again += Array(frame.sequence..<frame.sequence + frame.payload.count)
            #expect(frame.payload == TCPPeer.pattern(frame.payload.count, from: frame.sequence - 1))
        }
        #expect(Set(again) == Set(Array(1..<1_001) + Array(3_001..<4_001)))
        #expect(again.count == 2_000)
    }

    @Test func `blocks that were never sent are not believed`() {
        sendSegments(3, to: peer)
        for _ in 0..<4 { peer.send(.ack, seq: 101, ack: 1, sack: [50_000..<60_000]) }
        // Three duplicates are, and only the first segment is taken for lost.
        peer.expect(.ack, seq: 1, length: 1_000)
        peer.expectSilence()
    }

    @Test func `an acknowledgement of what was never sent is answered and ignored`() {
        sendSegments(1, to: peer)
        peer.send(.ack, seq: 101, ack: 5_000)
        peer.expect(.ack, seq: 1_001, ack: 101)
        #expect(peer.state == .established)
        peer.advance(by: 2 * StackUnderTest.second)
        peer.expect(.ack, seq: 1, length: 1_000)
    }

    @Test func `silence is answered by the first segment again, with back-off`() {
        sendSegments(3, to: peer)
        var gaps: [UInt64] = []
        var last = net.now
        for _ in 0..<6 {
            while net.frames.isEmpty, net.now - last < 100 * StackUnderTest.second {
                peer.advance(by: StackUnderTest.millisecond)
            }
            peer.expect(.ack, seq: 1)
            peer.expectSilence()
            gaps.append(net.now - last)
            last = net.now
        }
        for (shorter, longer) in zip(gaps, gaps.dropFirst()) {
            let most = 60 * StackUnderTest.second
            #expect(longer >= min(2 * shorter - 20 * StackUnderTest.millisecond, most - StackUnderTest.millisecond))
            #expect(longer <= most + 20 * StackUnderTest.millisecond)
        }
        #expect(net.counters.read(.tcpRetransmissionTimeouts) == 6)
    }

    @Test func `after a time-out everything in flight is sent again as acknowledgements come`() {
        sendSegments(4, to: peer)
        peer.advance(by: 2 * StackUnderTest.second)
        peer.expect(.ack, seq: 1)
        net.frames = []
        peer.send(.ack, seq: 101, ack: 1_001)
        var end = 1_001
        while let frame = net.frames.isEmpty ? nil : peer.expect(.ack) {
            #expect(frame.sequence == end)
            end = frame.sequence + frame.payload.count
        }
        #expect(end > 1_001)
        peer.send(.ack, seq: 101, ack: 4_001)
        peer.advance(by: 10 * StackUnderTest.second)
        peer.expectSilence()
    }

    @Test func `a guest that never acknowledges is given up, and both sides see RST`() {
        sendSegments(1, to: peer)
        peer.advance(by: 2_000 * StackUnderTest.second)
        #expect(net.counters.read(.tcpTimedOut) == 1)
        net.expectEffect(.resetStream)
        let last = net.frames.last
        net.frames = last.map { [$0] } ?? []
        peer.expect([.rst, .ack], seq: 1_001)
        net.expectNothingHeld()
    }

    // MARK: Windows

    @Test func `a closed window is probed with back-off, without data, for as long as it takes`() throws {
        let net = try StackUnderTest()
        let peer = try TCPPeer.established(net, port: 41_000, window: 0)
        var probes = 0
        for _ in 0..<100 {
            peer.advance(by: 10 * StackUnderTest.second)
            while !net.frames.isEmpty {
                peer.expect(.ack, seq: 0, ack: 101, length: 0)
                peer.send(.ack, seq: 101, ack: 1, window: 0)
                probes += 1
            }
        }
        #expect(probes > 15 && probes < 40)
        #expect(peer.state == .established)
        peer.send(.ack, seq: 101, ack: 1, window: 5_000)
        #expect(net.expectEffect(.receiveStream)?.limit == 5_000)
        peer.advance(by: 60 * StackUnderTest.second)
        peer.expectSilence()
    }

    @Test func `what a receive brings after the guest closed its window waits until it opens`() throws {
        let net = try StackUnderTest()
        let peer = try TCPPeer.established(net, window: 10_000)
        // The receive of 10,000 bytes is on its way when the guest takes its window back.
        peer.send(.ack, seq: 101, ack: 1, window: 0)
        peer.hostSends(TCPPeer.pattern(10_000))
        peer.expectSilence()
        net.expectEffect(.watchStream)
        net.expectNoEffect()
        #expect(net.counters.read(.tcpHeldBack) == 1)
        for _ in 0..<3 {
            peer.advance(by: 61 * StackUnderTest.second)
            peer.expect(.ack, seq: 0, length: 0)
            net.frames = []
            peer.send(.ack, seq: 101, ack: 1, window: 0)
            peer.expectSilence()
        }
        // The window opens a little at a time: no byte beyond it, none lost, and nothing asked of the host meanwhile.
        peer.send(.ack, seq: 101, ack: 1, window: 1_000)
        peer.expect(.ack, seq: 1, payload: TCPPeer.pattern(1_000))
        // Whole segments, where the window has room for more than one.
        peer.send(.ack, seq: 101, ack: 1_001, window: 3_000)
        peer.expect(.ack, seq: 1_001, payload: TCPPeer.pattern(2_920, from: 1_000))
        net.expectNoEffect()
        peer.send(.ack, seq: 101, ack: 3_921, window: 65_535)
        peer.expect(.ack, seq: 3_921, payload: TCPPeer.pattern(6_080, from: 3_920))
        net.expectEffect(.receiveStream)
        peer.send(.ack, seq: 101, ack: 10_001, window: 65_535)
        peer.advance(by: 10 * StackUnderTest.second)
        peer.expectSilence()
    }

    @Test func `a window that shrinks below what is on its way is not overrun further`() throws {
        let peer = try TCPPeer.established(net, port: 41_000, window: 10_000)
        peer.hostSends(TCPPeer.pattern(4_000))
        peer.expect(.ack, seq: 1, length: 4_000)
        net.expectEffect(.receiveStream)
        // 4,000 are on their way, 6,000 may follow; then the guest says that it takes 2,000 in all.
        peer.send(.ack, seq: 101, ack: 1, window: 2_000)
        peer.hostSends(TCPPeer.pattern(6_000, from: 4_000))
        peer.expectSilence()
        peer.send(.ack, seq: 101, ack: 2_001, window: 0)
        peer.expectSilence()
        // What was lost is sent again, beyond the window or not (RFC 9293 §3.8.6); what is new is not.
        peer.advance(by: 1_100 * StackUnderTest.millisecond)
        let again = peer.expect(.ack, seq: 2_001)
        #expect(again.map { $0.payload.count <= 2_000 } == true)
        peer.send(.ack, seq: 101, ack: 4_001, window: 65_535)
        peer.expect(.ack, seq: 4_001, payload: TCPPeer.pattern(6_000, from: 4_000))
    }

    @Test func `what was held back is lost and found like any other`() throws {
        let peer = try TCPPeer.established(net, port: 41_000, window: 5_000)
        peer.send(.ack, seq: 101, ack: 1, window: 0)
        peer.hostSends(TCPPeer.pattern(5_000))
        peer.hostEnds()
        peer.expectSilence()
        peer.send(.ack, seq: 101, ack: 1, window: 65_535)
        peer.expect(.ack, seq: 1, payload: TCPPeer.pattern(5_000))
        peer.expect([.fin, .ack], seq: 5_001)
        peer.advance(by: 1_100 * StackUnderTest.millisecond)
        peer.expect(.ack, seq: 1)
        net.frames = []
        peer.send(.rst, seq: 101)
        net.effects = []
        net.turn { _ in }
        #expect(peer.state == nil)
    }

    @Test func `a host that fails behind a closed window is noticed`() throws {
        let peer = try TCPPeer.established(net, port: 41_000, window: 0)
        peer.hostFails()
        peer.expect([.rst, .ack], seq: 1, ack: 101)
    }

    @Test func `an old segment that acknowledges more tells the window that goes with it`() {
        sendSegments(4, to: peer)
        peer.send(.ack, seq: 101, ack: 1, payload: [1])
        peer.send(.ack, seq: 102, ack: 1)
        // A repetition, sent after the guest had filled its buffer.
        peer.send(.ack, seq: 101, ack: 4_001, window: 0, payload: [1])
        net.effects = []
        net.frames = []
        peer.hostSends(TCPPeer.pattern(100))
        peer.expectSilence()
        net.expectEffect(.watchStream)
        net.expectNoEffect()
    }

    @Test func `an older acknowledgement does not bring an older window back`() {
        sendSegments(4, to: peer)
        peer.send(.ack, seq: 101, ack: 3_001, window: 2_000)
        peer.send(.ack, seq: 101, ack: 1_001, window: 60_000)
        peer.hostSends(TCPPeer.pattern(500))
        net.expectNoEffect()
        peer.send(.ack, seq: 101, ack: 4_501, window: 1_000)
        #expect(net.expectEffect(.receiveStream)?.limit == 1_000)
    }
}
