internal import RingwayWire

/// The retransmission timeout of a connection, computed from measured round trips (RFC 6298).
///
/// One segment is timed at a time: its end is recorded when it is sent, and its acknowledgement is a sample, unless the
/// segment was retransmitted (Karn, RFC 6298 §3). Times are monotonic nanoseconds.
struct RoundTripEstimator: BitwiseCopyable {
    /// SRTT; zero before the first sample.
    private(set) var smoothed: UInt64 = 0
    /// RTTVAR.
    private(set) var variation: UInt64 = 0
    /// RTO, before any back-off.
    private(set) var timeout = TCPBounds.initialRetransmission
    private var isTiming = false
    /// The end of the timed segment.
    private var timedEnd = SequenceNumber(0)
    private var timedAt: UInt64 = 0

    /// Starts to time a segment that ends before `end` and is sent for the first time, unless another is being timed.
    @inline(__always)
    mutating func sent(upTo end: SequenceNumber, now: UInt64) {
        guard !isTiming else { return }
        isTiming = true
        timedEnd = end
        timedAt = now
    }

    /// Takes a sample if the acknowledgement of all data before `edge` covers the timed segment.
    @inline(__always)
    mutating func acknowledged(upTo edge: SequenceNumber, now: UInt64) {
        guard isTiming, !edge.precedes(timedEnd) else { return }
        isTiming = false
        measured(now &- timedAt)
    }

    /// A retransmission makes the acknowledgement of the timed segment ambiguous.
    mutating func stopTiming() { isTiming = false }

    /// Takes a sample (RFC 6298 §2.2 and 2.3).
    mutating func measured(_ sample: UInt64) {
        if smoothed == 0 {
            smoothed = max(1, sample)
            variation = sample / 2
        } else {
            let difference = smoothed > sample ? smoothed &- sample : sample &- smoothed
            variation = (3 &* variation &+ difference) / 4
            smoothed = max(1, (7 &* smoothed &+ sample) / 8)
        }
        let computed = smoothed &+ max(Self.granularity, 4 &* variation)
        timeout = min(max(computed, TCPBounds.shortestRetransmission), TCPBounds.longestRetransmission)
    }

    /// G of RFC 6298 §2, nanoseconds: about the timer wheel's tick.
    private static var granularity: UInt64 { 1_000_000 }

    /// The timeout after this many consecutive retransmissions (RFC 6298 §5.5).
    func timeout(after retransmissions: UInt8) -> UInt64 {
        min(timeout &<< UInt64(min(retransmissions, 16)), TCPBounds.longestRetransmission)
    }
}
