/// A congestion avoidance algorithm: window growth beyond slow start, and the reduction after a loss. What all
/// algorithms have in common (RFC 5681) is in `CongestionControl`. All windows are in bytes.
protocol CongestionAvoidance: BitwiseCopyable, Sendable {
    /// The window after an acknowledgement of `bytes`, where `window` is at or above the slow start threshold.
    mutating func grown(_ window: UInt32, by bytes: UInt32, _ path: CongestionControl.Path) -> UInt32

    /// The slow start threshold after a loss.
    ///
    /// - Parameter flight: bytes in flight when the loss was detected.
    mutating func threshold(afterLossAt window: UInt32, flight: UInt32, segment: UInt32) -> UInt32
}

/// The available algorithms.
public enum CongestionAlgorithm: String, CaseIterable, Sendable {
    /// RFC 5681 and 6582.
    case newReno = "new-reno"
    /// RFC 9438.
    case cubic
}

/// The congestion window of one connection: slow start, then an algorithm's congestion avoidance (RFC 5681).
struct CongestionControl: BitwiseCopyable {
    /// Properties of the path when an acknowledgement arrives.
    struct Path: BitwiseCopyable {
        /// The maximum segment size, bytes.
        var segment: UInt32
        /// Monotonic nanoseconds.
        var now: UInt64
        /// SRTT, nanoseconds; zero before the first sample.
        var roundTrip: UInt64
    }

    /// The algorithm with its state. An enum, because the set of algorithms is closed, and a `switch` costs less than
    /// an existential.
    private enum Avoidance: BitwiseCopyable {
        case newReno(NewReno)
        case cubic(Cubic)
    }

    /// cwnd, bytes.
    private(set) var window = TCPBounds.initialCongestionWindow
    /// ssthresh, bytes; `UInt32.max` until the first loss.
    private(set) var slowStartThreshold = UInt32.max
    private var avoidance: Avoidance

    init(_ algorithm: CongestionAlgorithm = .newReno) {
        switch algorithm {
        case .newReno: avoidance = .newReno(NewReno())
        case .cubic: avoidance = .cubic(Cubic())
        }
    }

    /// Grows the window after an acknowledgement of `bytes` bytes outside fast recovery (RFC 5681 §3.1).
    @inline(__always)
    mutating func acknowledged(_ bytes: UInt32, segment: UInt16, now: UInt64, roundTrip: UInt64) {
        guard window < TCPBounds.largestCongestionWindow else { return }
        if window < slowStartThreshold {
            window &+= bytes
        } else {
            avoid(bytes, Path(segment: UInt32(segment), now: now, roundTrip: roundTrip))
        }
    }

    @inline(never)
    private mutating func avoid(_ bytes: UInt32, _ path: Path) {
        switch avoidance {
        case .newReno(let reno):
            window = reno.grown(window, by: bytes, path)
        case .cubic(var cubic):
            window = min(cubic.grown(window, by: bytes, path), TCPBounds.largestCongestionWindow)
            avoidance = .cubic(cubic)
        }
    }

    /// Reduces threshold and window after a loss that duplicate acknowledgements or SACK have shown (RFC 5681 §3.2).
    mutating func lost(flight: UInt32, segment: UInt16) {
        reduceThreshold(flight: flight, segment: UInt32(segment))
        window = slowStartThreshold
    }

    /// Reduces the window to one segment after the retransmission timer has expired (RFC 5681 §3.1).
    ///
    /// - Parameter isRepeated: whether all data in flight is already being retransmitted
    ///   (`LossRecovery.Phase.timeout`). The threshold then stays the same.
    mutating func timedOut(flight: UInt32, segment: UInt16, isRepeated: Bool) {
        if !isRepeated { reduceThreshold(flight: flight, segment: UInt32(segment)) }
        window = UInt32(segment)
    }

    /// Raises the window to the slow start threshold, because loss recovery is complete.
    mutating func recovered() {
        if window < slowStartThreshold, slowStartThreshold != .max { window = slowStartThreshold }
    }

    private mutating func reduceThreshold(flight: UInt32, segment: UInt32) {
        switch avoidance {
        case .newReno(let reno):
            slowStartThreshold = reno.threshold(afterLossAt: window, flight: flight, segment: segment)
        case .cubic(var cubic):
            slowStartThreshold = cubic.threshold(afterLossAt: window, flight: flight, segment: segment)
            avoidance = .cubic(cubic)
        }
    }
}
