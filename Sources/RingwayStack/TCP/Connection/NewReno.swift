/// RFC 5681 §3.1: the window grows by one segment per round trip, and the threshold after a loss is half of the flight
/// size.
struct NewReno: CongestionAvoidance {
    func grown(_ window: UInt32, by bytes: UInt32, _ path: CongestionControl.Path) -> UInt32 {
        window &+ UInt32(max(1, UInt64(path.segment) &* UInt64(bytes) / UInt64(max(1, window))))
    }

    /// Equation (4) of RFC 5681.
    func threshold(afterLossAt window: UInt32, flight: UInt32, segment: UInt32) -> UInt32 {
        max(flight / 2, 2 * segment)
    }
}
