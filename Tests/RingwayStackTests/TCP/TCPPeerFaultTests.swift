import RingwayModel
import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

/// What made other TCPs read or hold more than they had or wanted.
@Suite("Segments that other stacks mishandled")
struct TCPPeerFaultTests {
    /// CVE-2026-9539 (libslirp): an urgent pointer beyond the data underflowed a length, and the guest could read the
    /// process's memory.
    @Test func `an urgent pointer beyond the data, or of zero, changes nothing in the stream`() throws {
        let net = try StackUnderTest()
        let peer = try TCPPeer.established(net)
        peer.send([.ack, .urg], seq: 101, ack: 1, payload: [1], urgentPointer: 65_535)
        peer.send([.ack, .urg], seq: 102, ack: 1, payload: [2], urgentPointer: 0)
        peer.expectHostAccepts([1, 2])
        net.expectNoEffect()
        #expect(net.counters.read(.tcpUrgentToHost) == 0)
        while !net.frames.isEmpty { peer.expect(.ack, seq: 1, length: 0) }
        #expect(peer.state == .established)
    }

    /// CVE-2024-10026 and CVE-2024-10603 (gVisor): initial sequence numbers came from a weak hash.
    @Test func `a thousand initial sequence numbers differ, in every bit, and depend on the secret`() throws {
        let numbers = try Self.initialSequences(count: 1_000, secret: 0x5EED)
        #expect(Set(numbers).count == 1_000)
        #expect(Set(zip(numbers, numbers.dropFirst()).map { $1 &- $0 }).count > 990)
        for bit in 0..<32 as Range<UInt32> {
            let ones = numbers.count { $0 >> bit & 1 == 1 }
            #expect((400...600).contains(ones), "bit \(bit)")
        }
        let others = try Self.initialSequences(count: 1_000, secret: 0x5EEE)
        let differences = zip(numbers, others).map { $0 &- $1 }
        #expect(Set(differences).count > 990)
        #expect(!differences.contains(0))
    }

    /// The numbers of connections from different ports, all opened at the same time.
    private static func initialSequences(count: UInt16, secret: UInt64) throws -> [UInt32] {
        let net = try StackUnderTest(secret: secret)
        return try (0..<count).map { index in
            let peer = try TCPPeer(net, port: 20_000 + index)
            peer.send(.syn, seq: 100)
            peer.expectConnect()
            peer.connectSucceeds()
            peer.expect([.syn, .ack])
            peer.send(.rst, seq: 101)
            net.expectEffect(.resetStream)
            return try #require(peer.initialSequence)
        }
    }

    /// CVE-2019-11477 to CVE-2019-11479 (Linux, "SACK panic"): a tiny segment size multiplied what is queued.
    @Test(arguments: [0, 1, 8, 48, 87, 88] as [UInt16])
    func `a guest cannot ask for segments of less than 88 bytes`(_ size: UInt16) throws {
        let net = try StackUnderTest()
        let peer = try TCPPeer.established(net, options: TCPPeer.options(segmentSize: size, sack: true))
        peer.hostSends(TCPPeer.pattern(10_000))
        #expect(peer.expect(.ack, seq: 1, payload: TCPPeer.pattern(10_000))?.segmentSize == 88)
        peer.expectSilence()
    }

    @Test(arguments: [false, true])
    func `ten thousand holes in what the guest reports cost no memory and few frames`(_ isReversed: Bool) throws {
        let net = try StackUnderTest()
        let peer = try TCPPeer.established(net, options: TCPPeer.options(segmentSize: 1, sack: true))
        for index in 0..<4 { peer.hostSends(TCPPeer.pattern(10_000, from: index * 10_000)) }
        net.frames = []
        let held = net.pool.pointee.leased
        for index in 0..<10_000 {
            let start = 2 + 2 * (isReversed ? 9_999 - index : index)
            peer.send(.ack, seq: 101, ack: 1, sack: [start..<start + 1])
        }
        #expect(net.pool.pointee.leased == held)
        #expect(net.frames.count < 1_000)
        net.frames = []
        peer.send(.ack, seq: 101, ack: 40_001)
        peer.expectSilence()
        #expect(peer.state == .established)
        #expect(net.pool.pointee.leased == 0)
    }

    @Test func `ten thousand holes in what the guest sends hold as many bytes as a connection may`() throws {
        let net = try StackUnderTest()
        let peer = try TCPPeer.established(net)
        for index in 0..<10_000 as Range<UInt32> { peer.send(.ack, seq: 102 + 2 * index, ack: 1, payload: [7]) }
        #expect(net.pool.pointee.leased * BufferSpace.smallSize <= StackUnderTest.limits.outOfOrderBytesPerFlow)
        #expect(net.counters.read(.tcpOutOfOrderDropped) > 9_000)
        #expect(peer.unsent == [])
        #expect(peer.state == .established)
        net.frames = []
        peer.send(.rst, seq: 101)
        net.expectEffect(.resetStream)
        net.expectNothingHeld()
    }
}
