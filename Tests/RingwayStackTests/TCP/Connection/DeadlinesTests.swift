import Testing

@testable import RingwayStack

@Suite("Deadlines")
struct DeadlinesTests {
    private static let second: UInt64 = 1_000_000_000

    private func earliest(_ deadlines: Deadlines, lookAt: UInt64 = Deadlines.never, keepsAlive: Bool = false) -> UInt64
    {
        deadlines.earliest(lookAt: lookAt, keepsAlive: keepsAlive)
    }

    @Test func `an idle connection has no deadline`() {
        #expect(earliest(Deadlines(now: 5)) == Deadlines.never)
    }

    @Test func `a connection waits for one thing at a time`() {
        var deadlines = Deadlines(now: 0)
        deadlines.retransmit(at: 100)
        #expect(earliest(deadlines) == 100 && deadlines.isRetransmitting)
        deadlines.probe(every: 50, now: 200)
        #expect(earliest(deadlines) == 250 && deadlines.isProbing && !deadlines.isRetransmitting)
        deadlines.close(at: 900)
        #expect(earliest(deadlines) == 900 && !deadlines.isProbing)
        deadlines.stop()
        #expect(earliest(deadlines) == Deadlines.never)
    }

    @Test func `probes come after doubled intervals, up to a minute`() {
        var deadlines = Deadlines(now: 0)
        deadlines.probe(every: 20 * Self.second, now: 0)
        deadlines.probed(now: 20 * Self.second)
        #expect(earliest(deadlines) == 60 * Self.second)
        deadlines.probed(now: 60 * Self.second)
        #expect(earliest(deadlines) == 120 * Self.second)
    }

    @Test func `an open window ends probing and nothing else`() {
        var deadlines = Deadlines(now: 0)
        deadlines.probe(every: 1, now: 0)
        deadlines.stopProbing()
        #expect(!deadlines.isProbing)
        deadlines.retransmit(at: 7)
        deadlines.stopProbing()
        #expect(deadlines.isRetransmitting)
    }

    @Test func `the earliest of timer, look and keepalive counts`() {
        var deadlines = Deadlines(now: 0)
        deadlines.retransmit(at: 200 * Self.second)
        #expect(earliest(deadlines, keepsAlive: true) == TCPBounds.keepaliveIdle)
        #expect(earliest(deadlines, lookAt: Self.second, keepsAlive: true) == Self.second)
        deadlines.retransmit(at: 3)
        #expect(earliest(deadlines, lookAt: Self.second, keepsAlive: true) == 3)
    }

    @Test func `keepalive probes follow each other until the guest is heard, or taken for dead`() {
        var deadlines = Deadlines(now: 0)
        for probe in 1...TCPBounds.keepaliveLimit {
            let mayProbe = deadlines.countKeepaliveProbe()
            #expect(mayProbe)
            let waited = UInt64(probe) * TCPBounds.keepaliveInterval
            #expect(deadlines.keepaliveAt == TCPBounds.keepaliveIdle + waited)
        }
        let mayProbeOnceMore = deadlines.countKeepaliveProbe()
        #expect(!mayProbeOnceMore)
        deadlines.heard(now: Self.second)
        #expect(deadlines.keepaliveAt == Self.second + TCPBounds.keepaliveIdle)
        let mayProbeAfterAnswer = deadlines.countKeepaliveProbe()
        #expect(mayProbeAfterAnswer)
    }

    @Test func `challenges keep their distance`() {
        var deadlines = Deadlines(now: 0)
        let mayChallenge73 = deadlines.takeChallenge(now: 10)
        #expect(mayChallenge73)
        let mayChallenge74 = deadlines.takeChallenge(now: 9 + TCPBounds.challengeInterval)
        #expect(!mayChallenge74)
        let mayChallenge75 = deadlines.takeChallenge(now: 10 + TCPBounds.challengeInterval)
        #expect(mayChallenge75)
    }

    @Test func `the wheel gets an entry only for an earlier deadline`() {
        var deadlines = Deadlines(now: 0)
        let mustWake80 = deadlines.mustWake(at: Deadlines.never)
        #expect(!mustWake80)
        let mustWake81 = deadlines.mustWake(at: 100)
        #expect(mustWake81)
        let mustWake82 = deadlines.mustWake(at: 100)
        #expect(!mustWake82)
        let mustWake83 = deadlines.mustWake(at: 150)
        #expect(!mustWake83)
        let mustWake84 = deadlines.mustWake(at: 50)
        #expect(mustWake84)
        deadlines.woke()
        let mustWake86 = deadlines.mustWake(at: 150)
        #expect(mustWake86)
    }
}
