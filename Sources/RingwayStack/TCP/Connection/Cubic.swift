/// CUBIC (RFC 9438): the window grows with the cube of the time since the last loss, with a plateau around the window
/// at which that loss occurred. It fills long paths in seconds rather than minutes, and is never slower than Reno.
///
/// Arithmetic is in segments and seconds, as in the RFC. Simplifications: the window is always taken to be fully used
/// (§5.8, on application-limited flows, is left out), and slow start ends only at a loss (no HyStart++, §4.10).
struct Cubic: CongestionAvoidance {
    /// C, segments per second³ (§5.1).
    private static var scale: Double { 0.4 }
    /// β_cubic (§4.6).
    private static var decrease: Double { 0.7 }
    /// α_cubic of the Reno-friendly region (§4.3).
    private static var friendlyIncrease: Double { 3 * (1 - decrease) / (1 + decrease) }

    /// W_max, segments: the window before the last loss, reduced if fast convergence applied (§4.7).
    private(set) var plateau = 0.0
    /// cwnd_prior: the window before the last loss, segments.
    private var prior = 0.0
    /// K: seconds from the epoch's start until the window is back at the plateau.
    private(set) var timeToPlateau = 0.0
    /// W_est: Reno's window, segments.
    private var friendly = 0.0
    /// The start of the current congestion avoidance epoch, monotonic nanoseconds; valid only within an epoch.
    private var epochStart: UInt64 = 0
    private var isInEpoch = false

    mutating func grown(_ window: UInt32, by bytes: UInt32, _ path: CongestionControl.Path) -> UInt32 {
        let segment = Double(max(1, path.segment))
        let current = Double(window) / segment
        let acknowledged = Double(bytes) / segment
        if !isInEpoch { beginEpoch(at: path.now, window: current) }
        let elapsed = Double(path.now &- epochStart) / 1e9
        // §4.3: once `friendly` has reached the window before the loss, it grows by a whole segment per round trip.
        friendly += (friendly >= prior ? 1 : Self.friendlyIncrease) * acknowledged / current
        if curve(at: elapsed) < friendly { return size(of: max(current, friendly), segment, atLeast: window) }
        // §4.4 and 4.5: the curve one round trip from now, limited to 1.5 times the window.
        let wanted = curve(at: elapsed + Double(path.roundTrip) / 1e9)
        let target = min(max(wanted, current), 1.5 * current)
        return size(of: current + (target - current) / current * acknowledged, segment, atLeast: window)
    }

    /// RFC 9438 §4.6, with fast convergence (§4.7): a window that did not reach the last plateau indicates a new
    /// competing flow, so the new plateau is lower than the window.
    mutating func threshold(afterLossAt window: UInt32, flight: UInt32, segment: UInt32) -> UInt32 {
        let current = Double(window) / Double(max(1, segment))
        plateau = current < plateau ? current * (1 + Self.decrease) / 2 : current
        prior = current
        isInEpoch = false
        return max(UInt32(Double(flight) * Self.decrease), 2 * segment)
    }

    private mutating func beginEpoch(at now: UInt64, window: Double) {
        isInEpoch = true
        epochStart = now
        friendly = window
        // Without a previous loss, or beyond the plateau, the curve starts at its inflection point.
        plateau = max(plateau, window)
        timeToPlateau = Self.cubeRoot((plateau - window) / Self.scale)
    }

    /// W_cubic (§4.2, equation 1), segments.
    private func curve(at seconds: Double) -> Double {
        let distance = seconds - timeToPlateau
        return Self.scale * distance * distance * distance + plateau
    }

    private func size(of segments: Double, _ segment: Double, atLeast window: UInt32) -> UInt32 {
        max(window, UInt32(min(segments * segment, Double(TCPBounds.largestCongestionWindow))))
    }

    /// Newton's method from a start above the root: 64 steps suffice for any window.
    static func cubeRoot(_ value: Double) -> Double {
        guard value > 0 else { return 0 }
        var root = max(1, value)
        for _ in 0..<64 {
            let next = (2 * root + value / (root * root)) / 3
            if next >= root { break }
            root = next
        }
        return root
    }
}
