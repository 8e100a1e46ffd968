/// A token bucket that holds up to `capacity` tokens and gains one every `interval` nanoseconds.
///
/// RFC 4443 §2.4 (f) recommends a token bucket rather than a fixed gap between messages: a traceroute causes a short
/// burst of errors and must not lose half of them. The bucket reads no clock; the caller passes the time.
@frozen
public struct TokenBucket: Sendable, BitwiseCopyable {
    /// The largest burst.
    public let capacity: UInt32
    /// Nanoseconds per token.
    public let interval: UInt64

    @usableFromInline var tokens: UInt32
    @usableFromInline var lastRefill: UInt64

    /// A full bucket at `now`.
    ///
    /// - Parameters:
    ///   - capacity: the largest burst; at least one.
    ///   - perSecond: the rate, 1 to 1,000,000,000.
    ///   - now: monotonic nanoseconds.
    @inlinable public init(capacity: UInt32, perSecond: UInt32, now: UInt64 = 0) {
        precondition(capacity > 0, "a bucket without room never lets anything through")
        precondition(perSecond > 0 && perSecond <= 1_000_000_000, "the rate does not divide a second")
        self.capacity = capacity
        interval = 1_000_000_000 / UInt64(perSecond)
        tokens = capacity
        lastRefill = now
    }

    /// Takes a token; false if none is available. `now` is in monotonic nanoseconds. If it is before the `now` of an
    /// earlier call, no tokens are added.
    @inlinable public mutating func take(now: UInt64) -> Bool {
        if now > lastRefill {
            let gained = (now - lastRefill) / interval
            if gained >= UInt64(capacity - tokens) {
                tokens = capacity
                lastRefill = now
            } else {
                tokens += UInt32(gained)
                lastRefill += gained * interval
            }
        }
        guard tokens > 0 else { return false }
        tokens -= 1
        return true
    }
}
