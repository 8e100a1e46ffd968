import RingwayWire
import Testing

@testable import RingwayStack

/// RFC 6298, in milliseconds.
@Suite("RoundTripEstimator")
struct RoundTripEstimatorTests {
    private static let millisecond: UInt64 = 1_000_000
    private static let second: UInt64 = 1_000_000_000

    @Test func `before the first sample the timeout is a second`() {
        let estimator = RoundTripEstimator()
        #expect(estimator.timeout == Self.second)
        #expect(estimator.smoothed == 0)
    }

    @Test func `the first sample is the round trip, and half of it the variation`() {
        var estimator = RoundTripEstimator()
        estimator.measured(400 * Self.millisecond)
        #expect(estimator.smoothed == 400 * Self.millisecond)
        #expect(estimator.variation == 200 * Self.millisecond)
        #expect(estimator.timeout == 1_200 * Self.millisecond)
    }

    @Test func `later samples count by an eighth, and their deviation by a quarter`() {
        var estimator = RoundTripEstimator()
        estimator.measured(400 * Self.millisecond)
        estimator.measured(800 * Self.millisecond)
        #expect(estimator.variation == 250 * Self.millisecond)
        #expect(estimator.smoothed == 450 * Self.millisecond)
        #expect(estimator.timeout == 1_450 * Self.millisecond)
    }

    @Test func `the timeout is a second at least and a minute at most`() {
        var estimator = RoundTripEstimator()
        estimator.measured(0)
        #expect(estimator.timeout == Self.second)
        for _ in 0..<50 { estimator.measured(300 * Self.second) }
        #expect(estimator.timeout == 60 * Self.second)
    }

    @Test func `each retransmission doubles the timeout, up to a minute`() {
        let estimator = RoundTripEstimator()
        #expect(estimator.timeout(after: 0) == Self.second)
        #expect(estimator.timeout(after: 3) == 8 * Self.second)
        #expect(estimator.timeout(after: 6) == 60 * Self.second)
        #expect(estimator.timeout(after: 255) == 60 * Self.second)
    }

    @Test func `one segment at a time is timed, until it is acknowledged whole`() {
        var estimator = RoundTripEstimator()
        estimator.sent(upTo: SequenceNumber(1_000), now: 0)
        estimator.sent(upTo: SequenceNumber(2_000), now: 50 * Self.millisecond)
        estimator.acknowledged(upTo: SequenceNumber(999), now: 60 * Self.millisecond)
        #expect(estimator.smoothed == 0)
        estimator.acknowledged(upTo: SequenceNumber(2_000), now: 80 * Self.millisecond)
        #expect(estimator.smoothed == 80 * Self.millisecond)
        // The next segment sent is timed.
        estimator.acknowledged(upTo: SequenceNumber(3_000), now: 900 * Self.millisecond)
        #expect(estimator.smoothed == 80 * Self.millisecond)
    }

    @Test func `a segment that is sent again measures nothing`() {
        var estimator = RoundTripEstimator()
        estimator.sent(upTo: SequenceNumber(1_000), now: 0)
        estimator.stopTiming()
        estimator.acknowledged(upTo: SequenceNumber(1_000), now: 5 * Self.second)
        #expect(estimator.smoothed == 0)
    }
}
