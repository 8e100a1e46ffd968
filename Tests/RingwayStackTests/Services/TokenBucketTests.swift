import TestSupport
import Testing

@testable import RingwayStack

@Suite("Token bucket")
struct TokenBucketTests {
    private static let second: UInt64 = 1_000_000_000

    private func taken(_ bucket: inout TokenBucket, at now: UInt64, of count: Int = 1_000) -> Int {
        (0..<count).reduce(0) { sum, _ in sum + (bucket.take(now: now) ? 1 : 0) }
    }

    @Test func `admits a burst, then the rate`() {
        var bucket = TokenBucket(capacity: 10, perSecond: 100)
        #expect(taken(&bucket, at: 0) == 10)
        #expect(taken(&bucket, at: 9_999_999) == 0)
        #expect(taken(&bucket, at: 10_000_000) == 1)
        #expect(taken(&bucket, at: 60_000_000) == 5)
    }

    @Test func `holds no more than its capacity after a long rest`() {
        var bucket = TokenBucket(capacity: 10, perSecond: 100)
        #expect(taken(&bucket, at: 0) == 10)
        #expect(taken(&bucket, at: 3_600 * Self.second) == 10)
        #expect(taken(&bucket, at: .max) == 10)
    }

    @Test func `keeps the fraction of a token that it has gained`() {
        var bucket = TokenBucket(capacity: 2, perSecond: 1)
        #expect(taken(&bucket, at: 0) == 2)
        #expect(taken(&bucket, at: Self.second * 3 / 2) == 1)
        #expect(taken(&bucket, at: Self.second * 2 - 1) == 0)
        #expect(taken(&bucket, at: Self.second * 2) == 1)
    }

    @Test func `gains nothing when the clock goes back`() {
        var bucket = TokenBucket(capacity: 2, perSecond: 1, now: 5 * Self.second)
        #expect(taken(&bucket, at: 4 * Self.second) == 2)
        #expect(taken(&bucket, at: 0) == 0)
    }

    @Test func `admits no more than burst and rate allow, in any pattern`() {
        var noise = SeededNoise(seed: 42)
        var bucket = TokenBucket(capacity: 50, perSecond: 1_000)
        var now: UInt64 = 0
        var passed = 0
        while now < Self.second {
            now += noise.next() % 200_000
            passed += taken(&bucket, at: now, of: 3)
        }
        #expect(passed <= 50 + 1_000 + 1)
        #expect(passed >= 1_000)
    }
}
