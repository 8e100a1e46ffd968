import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

/// The far end dies without a word: the guest's own clocks must find out, though it is us who acknowledge.
@Suite("A far end that falls silent")
struct TCPSilentPeerTests {
    static let second = StackUnderTest.second
    static let millisecond = StackUnderTest.millisecond

    let net: StackUnderTest
    let peer: TCPPeer

    init() throws {
        net = try StackUnderTest()
        peer = try TCPPeer.established(net)
    }

    /// What the kernel says of a far end that was heard of so long ago.
    static func report(
        silence: UInt64, delivered: Bool = false, underWay: Bool = true, repeating: Bool = false,
        timeout: UInt64 = 204 * StackUnderTest.millisecond
    ) -> PeerReport {
        PeerReport(
            silence: silence, isDelivered: delivered, isUnderWay: underWay && !delivered, isRepeating: repeating,
            timeout: timeout, roundTrip: StackUnderTest.millisecond)
    }

    /// The guest sends bytes, which the socket takes at once.
    private func push(_ count: Int, seq: UInt32, flags: TCPFlags = [.ack, .psh]) {
        peer.send(flags, seq: seq, ack: 1, payload: TCPPeer.pattern(count))
        net.expectEffect(.sendStream)
        peer.hostTakes(count)
    }

    // MARK: Data

    @Test func `to a far end that was heard of just now nothing changes`() {
        push(10, seq: 101)
        peer.expect(.ack, ack: 111)
        peer.advance(by: 600 * Self.millisecond)
        peer.expectLook(.heard)
        peer.advance(by: 10 * Self.second)
        peer.expectSilence()
        net.expectNoEffect()
    }

    @Test func `the last byte is acknowledged when the far end has it, and the kernel is asked once`() {
        peer.advance(by: Self.second)
        push(10, seq: 101)
        peer.expectSilence()
        net.expectNoEffect()
        peer.advance(by: 3 * Self.millisecond)
        peer.expectLook(Self.report(silence: 0, delivered: true))
        peer.expect(.ack, seq: 1, ack: 111)
        peer.advance(by: 10 * Self.second)
        net.expectNoEffect()
        peer.expectSilence()
    }

    @Test func `what the host answers acknowledges the request, and no look is needed`() {
        peer.advance(by: Self.second)
        push(10, seq: 101)
        peer.hostSends(TCPPeer.pattern(20))
        peer.expect(.ack, seq: 1, ack: 111, length: 20)
        net.effects = []
        peer.send(.ack, seq: 111, ack: 21)
        peer.advance(by: 50 * Self.millisecond)
        net.expectNoEffect()
    }

    @Test func `all but the last byte of more than a segment is acknowledged at once`() {
        peer.advance(by: Self.second)
        push(20_000, seq: 101)
        peer.expect(.ack, ack: 101 + 19_999)
        push(10, seq: 20_101)
        peer.expectSilence()
        // The second segment that waits does not wait with the first.
        push(10, seq: 20_111)
        peer.expect(.ack, ack: 20_120)
    }

    @Test func `a far end that does not answer leaves the guest unanswered, until it does`() {
        peer.advance(by: Self.second)
        push(10, seq: 101)
        // Nothing was heard since it was connected.
        let heard = net.now - Self.second
        // Its round trip is short, so that the kernel has sent again after 204 ms.
        let start = net.now
        while net.counters.read(.tcpPeersSilent) == 0, net.now - start < Self.second {
            peer.advance(by: 5 * Self.millisecond)
            if !net.effects.isEmpty { peer.expectLook(Self.report(silence: net.now - heard)) }
        }
        #expect(net.now - start < 300 * Self.millisecond)
        peer.expectSilence()
        // The guest sends again, and more, and probes: not a word.
        peer.send([.ack, .psh], seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        peer.send([.ack, .psh], seq: 111, ack: 1, payload: TCPPeer.pattern(100))
        peer.hostTakes(100)
        peer.send(.ack, seq: 110, ack: 1)
        peer.send([.ack, .fin], seq: 211, ack: 1)
        peer.expectSilence()
        net.effects.removeAll { $0.kind != .inspectStream }
        for _ in 0..<20 {
            peer.advance(by: Self.second)
            while !net.effects.isEmpty { peer.expectLook(Self.report(silence: net.now - heard, repeating: true)) }
        }
        peer.expectSilence()
        // It comes back. Looks are a second apart, and timers may be late by a tick.
        peer.advance(by: 3 * Self.second / 2)
        peer.expectLook(Self.report(silence: 0, delivered: true))
        peer.expect(.ack, ack: 212)
    }

    @Test func `a far end that speaks is not silent`() {
        peer.advance(by: Self.second)
        push(10, seq: 101)
        for _ in 0..<4 {
            peer.advance(by: 70 * Self.millisecond)
            net.effects = []
        }
        peer.hostSends(TCPPeer.pattern(5))
        peer.expect(.ack, seq: 1, ack: 111, length: 5)
    }

    @Test func `a far end with a closed window is slow, not dead`() {
        peer.advance(by: Self.second)
        push(10, seq: 101)
        var looks = 0
        for _ in 0..<200 {
            peer.advance(by: 10 * Self.millisecond)
            while !net.effects.isEmpty {
                peer.expectLook(Self.report(silence: 5 * Self.second, underWay: false))
                looks += 1
            }
        }
        peer.expect(.ack, ack: 111)
        peer.expectSilence()
        #expect(looks < 20)
        #expect(net.counters.read(.tcpPeersSilent) == 0)
    }

    @Test func `on a way that is too long to tell the guest is not kept waiting`() {
        peer.advance(by: Self.second)
        push(10, seq: 101)
        for _ in 0..<430 {
            peer.advance(by: 10 * Self.millisecond)
            while !net.effects.isEmpty {
                peer.expectLook(Self.report(silence: 9 * Self.second, timeout: 5 * Self.second))
            }
        }
        peer.expect(.ack, ack: 111)
        peer.expectSilence()
    }

    @Test func `bulk that the socket no longer takes is looked after twice a second`() {
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(1_400))
        peer.expect(.ack, ack: 1_501)
        net.expectEffect(.sendStream)
        // The far end is gone: the socket takes nothing more.
        var looks = 0
        for _ in 0..<20 {
            peer.advance(by: 100 * Self.millisecond)
            while !net.effects.isEmpty {
                peer.expectLook(Self.report(silence: 2 * Self.second, repeating: true))
                looks += 1
            }
        }
        #expect(looks < 10)
        #expect(net.counters.read(.tcpPeersSilent) == 1)
        peer.send(.ack, seq: 1_501, ack: 1, payload: [1])
        peer.send(.ack, seq: 1_500, ack: 1)
        peer.expectSilence()
    }

    // MARK: Keepalive

    @Test func `a probe is answered once the far end was heard of, for which it is probed`() {
        peer.advance(by: 2 * Self.second)
        peer.send(.ack, seq: 100, ack: 1)
        peer.expectSilence()
        peer.expectLook(solicits: true, Self.report(silence: 2 * Self.second, delivered: true))
        peer.expectSilence()
        peer.advance(by: 5 * Self.millisecond)
        peer.expectLook(Self.report(silence: 0, delivered: true))
        peer.expect(.ack, seq: 1, ack: 101)
        // The next one finds that the far end was heard of a moment ago.
        peer.advance(by: 500 * Self.millisecond)
        peer.send(.ack, seq: 100, ack: 1)
        peer.expect(.ack, seq: 1, ack: 101)
        net.expectNoEffect()
    }

    @Test(arguments: [0, 1]) func `a probe to a far end that is gone gets no answer`(_ count: Int) {
        for round in 1...3 as ClosedRange<UInt64> {
            peer.advance(by: 2 * Self.second)
            net.effects = []
            peer.send(.ack, seq: 100, ack: 1, payload: Array(repeating: 0, count: count))
            peer.expectLook(solicits: true, Self.report(silence: 2 * round * Self.second, delivered: true))
            peer.advance(by: 300 * Self.millisecond)
            while !net.effects.isEmpty {
                peer.expectLook(Self.report(silence: 2 * round * Self.second, delivered: true))
            }
            peer.expectSilence()
        }
        // Looks for an answer end, and the connection goes on when the far end does.
        peer.advance(by: 20 * Self.second)
        net.effects = []
        peer.advance(by: 20 * Self.second)
        net.expectNoEffect()
        peer.hostSends([1])
        peer.expect(.ack, seq: 1, ack: 101, length: 1)
    }

    @Test func `a probe of a closed window is about the window`() {
        var sequence: UInt32 = 101
        while sequence < 65_636 {
            peer.send(.ack, seq: sequence, ack: 1, payload: TCPPeer.pattern(min(1_460, Int(65_636 - sequence))))
            sequence = min(65_636, sequence + 1_460)
        }
        net.frames = []
        net.effects = []
        peer.advance(by: 10 * Self.millisecond)
        peer.send(.ack, seq: 65_635, ack: 1)
        peer.expect(.ack, ack: 65_636, window: 0)
    }

    @Test func `the name service is always there`() throws {
        let peer = try TCPPeer(net, port: 41_000, to: "192.168.127.1:53")
        peer.send(.syn, seq: 100)
        let effect = net.expectEffect(.connectService)
        peer.handle = effect.map { $0.handle }
        peer.connectSucceeds()
        peer.expect([.syn, .ack])
        peer.send(.ack, seq: 101, ack: 1)
        net.effects = []
        peer.advance(by: 5 * Self.second)
        peer.send(.ack, seq: 100, ack: 1)
        peer.expect(.ack, ack: 101)
        peer.send([.ack, .psh], seq: 101, ack: 1, payload: [1, 2])
        peer.expect(.ack, ack: 103)
    }
}
