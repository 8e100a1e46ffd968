import Testing

@testable import RingwayStack

@Suite("PeerWatch")
struct PeerWatchTests {
    private static let millisecond: UInt64 = 1_000_000
    private static let start: UInt64 = 1_000_000 * millisecond

    /// A report of a peer whose last segment was `milliseconds` ago.
    private func report(
        silence: UInt64, isDelivered: Bool = false, isRepeating: Bool = false, timeout: UInt64 = 200
    ) -> PeerReport {
        PeerReport(
            silence: silence * Self.millisecond, isDelivered: isDelivered, isUnderWay: !isDelivered,
            isRepeating: isRepeating, timeout: timeout * Self.millisecond, roundTrip: 10 * Self.millisecond)
    }

    private func looking() -> PeerWatch {
        var watch = PeerWatch(now: Self.start)
        watch.beginQueries(now: Self.start)
        return watch
    }

    @Test func `a peer is considered alive for a moment after its last segment`() {
        var watch = PeerWatch(now: Self.start)
        #expect(watch.trusts(now: Self.start + 4 * Self.millisecond))
        #expect(!watch.trusts(now: Self.start + 5 * Self.millisecond))
        watch.segmentReceived(now: Self.start + 100 * Self.millisecond)
        #expect(watch.trusts(now: Self.start + 104 * Self.millisecond))
    }

    @Test func `nothing is looked at until there is something to look for`() {
        var watch = PeerWatch(now: Self.start)
        #expect(!watch.isQuerying)
        watch.beginQueries(now: Self.start)
        #expect(watch.isQuerying && watch.queryAt == Self.start + 500 * Self.millisecond)
        watch.stopQueries()
        #expect(!watch.isQuerying)
    }

    @Test func `delivered and drained data needs no more queries`() {
        var watch = looking()
        let now = Self.start + 500 * Self.millisecond
        #expect(watch.judge(report(silence: 0, isDelivered: true), now: now, isDrained: false) == .alive)
        #expect(watch.isQuerying)
        #expect(watch.judge(report(silence: 0, isDelivered: true), now: now, isDrained: true) == .delivered)
        #expect(!watch.isQuerying)
    }

    @Test func `a peer that has sent a segment since is alive`() {
        var watch = looking()
        let now = Self.start + 500 * Self.millisecond
        #expect(watch.judge(report(silence: 100), now: now, isDrained: true) == .alive)
        #expect(watch.queryAt == now + 500 * Self.millisecond)
    }

    @Test func `a peer that is sent to again and does not answer is silent`() {
        var watch = looking()
        let soon = Self.start + 150 * Self.millisecond
        #expect(watch.judge(report(silence: 150, isRepeating: true), now: soon, isDrained: true) == .unknown)
        let late = Self.start + 600 * Self.millisecond
        #expect(watch.judge(report(silence: 600, isRepeating: true), now: late, isDrained: true) == .silent)
        #expect(watch.isQuerying, "it may come back")
    }

    @Test func `a path with too long a round trip is not waited for`() {
        var watch = looking()
        let now = Self.start + 5_000 * Self.millisecond
        let verdict = watch.judge(report(silence: 5_000, timeout: 6_000), now: now, isDrained: true)
        #expect(verdict == .undecided)
    }

    @Test func `a keepalive probe is answered once the peer has responded, or after a bounded wait`() {
        var watch = PeerWatch(now: Self.start)
        let asked = Self.start + 60_000 * Self.millisecond
        watch.await(now: asked)
        let first = asked + 10 * Self.millisecond
        #expect(watch.judgeProbe(report(silence: 60_010), now: first) == .unknown)
        #expect(watch.isQuerying)
        #expect(watch.judgeProbe(report(silence: 1), now: first + Self.millisecond) == .alive)
        #expect(!watch.isQuerying)
        var other = PeerWatch(now: Self.start)
        other.await(now: asked)
        let last = asked + 5_000 * Self.millisecond
        #expect(other.judgeProbe(report(silence: 65_000), now: last) == .undecided)
    }
}
