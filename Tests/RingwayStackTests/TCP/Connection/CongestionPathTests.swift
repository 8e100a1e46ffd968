import Testing

@testable import RingwayStack

/// The two congestion controls over a model path that loses one of every so many segments, in rounds of one round trip:
/// the model by which RFC 5681 and RFC 9438 §5.1 derive their average windows.
@Suite("Congestion controls over a lossy path")
struct CongestionPathTests {
    private static let segment: UInt16 = 1_000
    private static let second: UInt64 = 1_000_000_000

    /// The average window in segments, after a minute, over ten minutes.
    private func averageWindow(
        _ algorithm: CongestionAlgorithm, roundTrip: UInt64, segmentsPerLoss: Int
    ) -> Double {
        var control = CongestionControl(algorithm)
        var now: UInt64 = 0
        var sent = 0
        var rounds = 0
        var sum = 0
        while now < 660 * Self.second {
            let window = Int(control.window / UInt32(Self.segment))
            let losses = sent / segmentsPerLoss
            sent += window
            now += roundTrip
            if now > 60 * Self.second {
                rounds += 1
                sum += window
            }
            if sent / segmentsPerLoss > losses {
                control.lost(flight: control.window, segment: Self.segment)
                control.recovered()
            } else {
                control.acknowledged(control.window, segment: Self.segment, now: now, roundTrip: roundTrip)
            }
        }
        return Double(sum) / Double(rounds)
    }

    @Test func `NewReno's average window is the square root of 3 / 2p`() {
        let average = averageWindow(.newReno, roundTrip: Self.second / 10, segmentsPerLoss: 10_000)
        #expect((110...135).contains(average), "\(average)")
    }

    @Test func `on a long path CUBIC fills more`() {
        let reno = averageWindow(.newReno, roundTrip: Self.second / 10, segmentsPerLoss: 10_000)
        let cubic = averageWindow(.cubic, roundTrip: Self.second / 10, segmentsPerLoss: 10_000)
        // RFC 9438 §5.1: 1.054 · (RTT / p)^(3/4), here some 187 segments.
        #expect((160...215).contains(cubic), "\(cubic)")
        #expect(cubic > 1.2 * reno)
    }

    @Test func `on a short path CUBIC takes about what Reno takes`() {
        let reno = averageWindow(.newReno, roundTrip: Self.second / 1_000, segmentsPerLoss: 10_000)
        let cubic = averageWindow(.cubic, roundTrip: Self.second / 1_000, segmentsPerLoss: 10_000)
        #expect((0.8...1.6).contains(cubic / reno), "\(cubic) of \(reno)")
    }
}
