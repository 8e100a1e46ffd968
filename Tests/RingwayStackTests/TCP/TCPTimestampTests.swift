import RingwayStorage
import RingwayWire
import Testing

@testable import RingwayStack

/// RFC 7323 §3 to 5.
@Suite("Timestamps")
struct TCPTimestampTests {
    let net: StackUnderTest

    init() throws { net = try StackUnderTest() }

    private func peer(port: UInt16 = 40_000, clock: UInt32 = 5_000) throws -> TCPPeer {
        let peer = try TCPPeer.established(net, port: port, clock: clock)
        net.effects = []
        return peer
    }

    // MARK: Agreement

    @Test func `a guest that offers them gets them, on every segment`() throws {
        let peer = try TCPPeer(net)
        peer.clock = 700
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectSucceeds()
        let answer = peer.expect([.syn, .ack], seq: 0, ack: 101)
        #expect(answer?.options.timestamps?.echo == 700)
        #expect(answer?.options.maximumSegmentSize == 1_460)
        peer.clock = 701
        peer.send(.ack, seq: 101, ack: 1)
        peer.hostSends([1, 2, 3])
        #expect(peer.expect(.ack, payload: [1, 2, 3])?.options.timestamps?.echo == 701)
        peer.send(.ack, seq: 101, ack: 4, payload: [9])
        #expect(peer.expect(.ack, ack: 102)?.options.timestamps?.echo == 701)
        peer.hostEnds()
        #expect(peer.expect([.fin, .ack])?.options.timestamps != nil)
    }

    @Test func `a guest that does not offer them gets none`() throws {
        let peer = try TCPPeer(net)
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectSucceeds()
        #expect(peer.expect([.syn, .ack])?.options.timestamps == nil)
        peer.send(.ack, seq: 101, ack: 1)
        peer.hostSends(TCPPeer.pattern(2_000))
        let data = peer.expect(.ack)
        #expect(data?.options.timestamps == nil)
        #expect(data?.segmentSize == 1_460)
    }

    @Test("a published port's SYN offers them, and the guest decides", arguments: [nil, 9_000] as [UInt32?])
    func decidesTheGuest(clock: UInt32?) throws {
        let peer = try TCPPeer(net)
        peer.openFromHost()
        #expect(peer.expect(.syn)?.options.timestamps?.echo == 0)
        peer.clock = clock
        peer.send([.syn, .ack], seq: 100, ack: 1)
        #expect(peer.expect(.ack, ack: 101)?.options.timestamps?.echo == clock)
        peer.hostSends(TCPPeer.pattern(2_000))
        let data = peer.expect(.ack)
        #expect(data?.options.timestamps?.echo == clock)
        #expect(data?.segmentSize == (clock == nil ? 1_460 : 1_448))
    }

    @Test func `both ends that open at once agree too`() throws {
        let peer = try TCPPeer(net)
        peer.openFromHost()
        peer.expect(.syn)
        peer.clock = 300
        peer.send(.syn, seq: 100)
        #expect(peer.expect([.syn, .ack], ack: 101)?.options.timestamps?.echo == 300)
        peer.send([.syn, .ack], seq: 100, ack: 1)
        #expect(peer.expect(.ack, ack: 101)?.options.timestamps != nil)
        #expect(peer.state == .established)
    }

    @Test func `the guest's next attempt on a port may think otherwise`() throws {
        let peer = try TCPPeer(net)
        peer.clock = 700
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.clock = nil
        peer.send(.syn, seq: 5_000)
        peer.connectSucceeds()
        #expect(peer.expect([.syn, .ack], ack: 5_001)?.options.timestamps == nil)
    }

    // MARK: Sizes

    @Test("segments leave room for them", arguments: [("198.51.100.7:80", 1_448), ("[2001:db8::7]:80", 1_428)])
    func leaveRoom(remote: String, size: Int) throws {
        let peer = try TCPPeer(net, to: remote)
        peer.clock = 1
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack])
        peer.send(.ack, seq: 101, ack: 1)
        peer.hostSends(TCPPeer.pattern(10_000))
        let frame = try #require(net.frames.first)
        let data = peer.expect(.ack, seq: 1, payload: TCPPeer.pattern(10_000))
        #expect(data?.segmentSize == size)
        // The length of all headers, as the guest's kernel needs it to cut the frame.
        #expect(Int(frame[2]) == frame.count - VirtioNetHeader.length - 10_000)
        peer.hostSends(TCPPeer.pattern(size, from: 10_000))
        #expect(peer.expect(.ack, length: size)?.segmentSize == 0)
    }

    @Test func `a host is asked for as much as whole segments make of a packet`() throws {
        let peer = try TCPPeer.established(
            net, window: 2_000, options: TCPPeer.options(segmentSize: 1_460, scale: 7), clock: 1)
        net.effects = []
        peer.hostSends([1])
        let length = try #require(net.expectEffect(.receiveStream)).limit
        #expect(length == 45 * 1_448)
        peer.send(.ack, seq: 101, ack: 2, window: 2_000)
        net.effects = []
        peer.net.frames = []
        peer.hostSends(TCPPeer.pattern(Int(length)))
        let frame = try #require(net.frames.first)
        #expect(frame.count == 12 + 14 + 20 + 32 + 45 * 1_448)
    }

    @Test func `three blocks fit beside them`() throws {
        let peer = try peer()
        for (index, start) in [201, 401, 601, 801].enumerated() {
            peer.send(.ack, seq: UInt32(start), ack: 1, payload: TCPPeer.pattern(50))
            let answer = peer.expect(.ack, ack: 101)
            #expect(answer?.options.sackBlockCount == min(3, index + 1))
            #expect(answer?.options.timestamps?.echo == 5_000)
        }
    }

    @Test func `a smaller link behind the guest is taken into account`() throws {
        let peer = try peer()
        peer.hostSends(TCPPeer.pattern(1_448))
        let sent = try #require(net.frames.first)
        peer.expect(.ack, length: 1_448)
        peer.sendError(
            ICMPFields(type: 3, code: 4, parameter: 1_000), about: sent)
        let again = peer.expect(.ack, seq: 1)
        #expect(again?.segmentSize == 1_000 - 40 - 12)
        #expect(again?.options.timestamps != nil)
    }

    // MARK: The value that is echoed

    @Test func `beyond a gap the value from before it is echoed`() throws {
        let peer = try peer(clock: 10)
        peer.clock = 20
        peer.send(.ack, seq: 201, ack: 1, payload: TCPPeer.pattern(100))
        #expect(peer.expect(.ack, ack: 101)?.options.timestamps?.echo == 10)
        peer.clock = 15
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(100))
        #expect(peer.expect(.ack, ack: 301)?.options.timestamps?.echo == 15)
        peer.clock = 30
        peer.send(.ack, seq: 301, ack: 1, payload: [1])
        #expect(peer.expect(.ack, ack: 302)?.options.timestamps?.echo == 30)
    }

    @Test func `the stack's clock ticks milliseconds from a place of each tuple's own`() throws {
        let peer = try peer()
        peer.hostSends([1])
        let first = try #require(peer.expect(.ack)?.options.timestamps?.value)
        peer.advance(by: 1_234 * StackUnderTest.millisecond)
        net.frames = []
        peer.hostSends([2])
        let second = try #require(peer.expect(.ack)?.options.timestamps?.value)
        #expect(second &- first == 1_234)
        net.effects = []
        let other = try self.peer(port: 40_001)
        other.hostSends([1])
        let third = try #require(other.expect(.ack)?.options.timestamps?.value)
        #expect(third &- second > 1_000_000)
    }

    @Test func `the next connection on a tuple finds the clock where the last one left it`() throws {
        let peer = try peer()
        peer.hostSends([1])
        let first = try #require(peer.expect(.ack)?.options.timestamps?.value)
        peer.send(.rst, seq: 101)
        #expect(net.stack.connectionCount == 0)
        peer.advance(by: 10 * StackUnderTest.millisecond)
        net.effects = []
        peer.clock = 1
        peer.send(.syn, seq: 9_000)
        peer.expectConnect()
        peer.connectSucceeds()
        #expect(peer.expect([.syn, .ack])?.options.timestamps.map { $0.value &- first } == 10)
    }

    // MARK: Old segments

    @Test func `an old segment is dropped and answered`() throws {
        let peer = try peer(clock: 1_000)
        peer.clock = 999
        peer.send(.ack, seq: 101, ack: 1, payload: [1, 2, 3])
        #expect(peer.expect(.ack, ack: 101)?.options.timestamps?.echo == 1_000)
        #expect(peer.parked.isEmpty)
        #expect(net.counters.read(.tcpOldTimestamps) == 1)
        peer.clock = 1_000
        peer.send(.ack, seq: 101, ack: 1, payload: [1, 2, 3])
        peer.expectHostTakes([1, 2, 3])
    }

    @Test func `the guest's clock comes round`() throws {
        let peer = try peer(clock: .max)
        peer.clock = 0
        peer.send(.ack, seq: 101, ack: 1, payload: [1])
        peer.expectHostTakes([1])
        peer.expect(.ack, ack: 102)
        peer.clock = .max
        peer.send(.ack, seq: 102, ack: 1, payload: [2])
        #expect(net.counters.read(.tcpOldTimestamps) == 1)
    }

    @Test func `old segments without data are answered at a bounded rate`() throws {
        let peer = try peer(clock: 1_000)
        peer.clock = 1
        for _ in 0..<10 { peer.send(.ack, seq: 101, ack: 1) }
        peer.expect(.ack, ack: 101)
        peer.expectSilence()
    }

    @Test func `a reset needs no timestamp`() throws {
        let peer = try peer()
        peer.send(.rst, seq: 101)
        net.expectEffect(.resetStream)
        #expect(net.stack.connectionCount == 0)
    }

    @Test func `a segment that lacks what was agreed is dropped without a word`() throws {
        let peer = try peer()
        peer.clock = nil
        peer.send(.ack, seq: 101, ack: 1, payload: [1])
        peer.expectSilence()
        net.expectNoEffect()
        #expect(net.counters.read(.tcpTimestampsMissing) == 1)
        #expect(peer.state == .established)
        peer.clock = 5_001
        peer.send(.ack, seq: 101, ack: 1, payload: [1])
        peer.expectHostTakes([1])
    }

    @Test func `a guest that has begun anew is told of the old connection`() throws {
        let peer = try peer(clock: 50_000)
        peer.clock = 3
        peer.send(.syn, seq: 70_000)
        peer.expect(.ack, ack: 101)
        #expect(peer.state == .established)
    }

    @Test func `after half an hour of silence nothing is old`() {
        var stamps = Timestamps()
        stamps.accept(1_000, inSYNAt: SequenceNumber(0), now: 0)
        let limit: UInt64 = (1 << 31) * 1_000
        let verdicts = [999, 1_000].map { stamps.isRecent($0) }
        #expect(verdicts == [false, true])
        #expect(!stamps.areOutdated(now: limit - 1))
        #expect(stamps.areOutdated(now: limit))
        // What comes then is what later segments are measured by.
        _ = stamps.isRecent(999)
        stamps.noteAcceptable(at: SequenceNumber(0), now: limit)
        #expect(stamps.recent == 999)
        #expect(!stamps.areOutdated(now: limit + 1))
    }

    @Test func `a guest whose clock is fast is heard after a long silence`() throws {
        // A microsecond's clock comes half round in that time.
        let peer = try peer(clock: 1_000)
        for _ in 0..<20 {
            peer.advance(by: 119 * StackUnderTest.second)
            // Keepalive probes of the guest's lie outside of the window and do not tell its clock.
            peer.clock = peer.clock.map { $0 &+ 119_000_000 }
            peer.send(.ack, seq: 100, ack: 1)
        }
        net.frames = []
        net.effects = []
        peer.send(.ack, seq: 101, ack: 1, payload: [1])
        peer.expectHostTakes([1])
    }

    // MARK: TIME-WAIT

    @Test(
        "a SYN that is later by its timestamp ends TIME-WAIT",
        arguments: [(5_050, true), (5_000, false), (4_000, false)])
    func endsTimeWait(clock: UInt32, restarts: Bool) throws {
        let peer = try peer(clock: 5_000)
        peer.hostEnds()
        peer.expect([.fin, .ack], seq: 1)
        peer.send([.fin, .ack], seq: 101, ack: 2)
        peer.expect(.ack, ack: 102)
        #expect(peer.state == .timeWait)
        net.effects = []
        // The number alone does not tell a new connection's SYN from the old one's segments.
        peer.clock = clock
        peer.send(.syn, seq: 90)
        if restarts {
            peer.expectConnect()
        } else {
            net.expectNoEffect()
        }
    }

    // MARK: Round trips

    @Test("a way that is longer than the first timeout is learned", arguments: [nil, 5_000] as [UInt32?])
    func learnsTheWay(clock: UInt32?) throws {
        let peer = try TCPPeer.established(net, clock: clock)
        peer.hostSends([1])
        peer.expect(.ack, seq: 1, length: 1)
        let first = peer.echo
        // Sent again after a second, and acknowledged after three: which of the two, only the timestamp tells.
        peer.advance(by: 3 * StackUnderTest.second)
        net.frames = []
        peer.send(.ack, seq: 101, ack: 2, echoing: first)
        peer.hostSends([2])
        peer.expect(.ack, seq: 2, length: 1)
        peer.advance(by: 5 * StackUnderTest.second)
        if clock == nil {
            peer.expect(.ack, seq: 2, length: 1)
        } else {
            peer.expectSilence()
        }
    }

    @Test func `an echo of what was never sent measures nothing`() {
        var stamps = Timestamps()
        stamps.begin(offset: 7)
        let now = 100 * StackUnderTest.second
        let clock = stamps.clock(now: now)
        #expect(stamps.age(ofEcho: clock &- 250, now: now) == 250 * StackUnderTest.millisecond)
        #expect(stamps.age(ofEcho: clock &+ 1, now: now) == nil)
        #expect(stamps.age(ofEcho: clock &- 61_000, now: now) == nil)
    }
}
