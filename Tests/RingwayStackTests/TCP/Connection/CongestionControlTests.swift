import Testing

@testable import RingwayStack

@Suite("CongestionControl")
struct CongestionControlTests {
    private static let segment: UInt16 = 1_000
    private static let second: UInt64 = 1_000_000_000

    private func acknowledge(_ control: inout CongestionControl, _ bytes: UInt32, at now: UInt64 = 0) {
        control.acknowledged(bytes, segment: Self.segment, now: now, roundTrip: Self.second / 10)
    }

    // MARK: What all algorithms share (RFC 5681)

    @Test(arguments: CongestionAlgorithm.allCases)
    func `slow start grows by the acknowledged bytes, up to the bound`(_ algorithm: CongestionAlgorithm) {
        var control = CongestionControl(algorithm)
        let first = control.window
        acknowledge(&control, 3_000)
        #expect(control.window == first + 3_000)
        for _ in 0..<40 { acknowledge(&control, 1 << 20) }
        #expect(control.window >= TCPBounds.largestCongestionWindow)
        let largest = control.window
        acknowledge(&control, 1 << 20)
        #expect(control.window == largest)
    }

    @Test(arguments: CongestionAlgorithm.allCases)
    func `a timeout leaves one segment, and slow start as far as the threshold`(_ algorithm: CongestionAlgorithm) {
        var control = CongestionControl(algorithm)
        control.timedOut(flight: 100_000, segment: Self.segment, isRepeated: false)
        #expect(control.window == 1_000)
        let threshold = control.slowStartThreshold
        #expect(threshold < 100_000)
        control.timedOut(flight: 1_000, segment: Self.segment, isRepeated: true)
        #expect(control.slowStartThreshold == threshold)
        acknowledge(&control, 1_000)
        #expect(control.window == 2_000)
        control.recovered()
        #expect(control.window == threshold)
    }

    @Test(arguments: CongestionAlgorithm.allCases)
    func `the threshold is two segments at least`(_ algorithm: CongestionAlgorithm) {
        var control = CongestionControl(algorithm)
        control.lost(flight: 1_000, segment: Self.segment)
        #expect(control.slowStartThreshold == 2_000)
        #expect(control.window == 2_000)
    }

    @Test(arguments: CongestionAlgorithm.allCases)
    func `recovery without a loss before changes nothing`(_ algorithm: CongestionAlgorithm) {
        var control = CongestionControl(algorithm)
        let first = control.window
        control.recovered()
        #expect(control.window == first)
    }

    // MARK: NewReno

    @Test func `NewReno halves what was in flight`() {
        var control = CongestionControl(.newReno)
        control.lost(flight: 64_000, segment: Self.segment)
        #expect(control.window == 32_000)
        #expect(control.slowStartThreshold == 32_000)
    }

    @Test func `NewReno grows by a segment per window beyond the threshold`() {
        var control = CongestionControl(.newReno)
        control.lost(flight: 64_000, segment: Self.segment)
        for _ in 0..<32 { acknowledge(&control, 1_000) }
        #expect((32_900...33_000).contains(control.window))
    }

    // MARK: CUBIC (RFC 9438)

    @Test func `CUBIC keeps seven tenths of what was in flight`() {
        var control = CongestionControl(.cubic)
        control.lost(flight: 100_000, segment: Self.segment)
        #expect(control.slowStartThreshold == 70_000)
    }

    @Test func `CUBIC is back at the last window after K seconds, and flat around it`() {
        // Of 1,000 segments 300 are missing: K is the cube root of 300 / 0.4, some 9.1 s.
        var cubic = Cubic()
        _ = cubic.threshold(afterLossAt: 1_000_000, flight: 1_000_000, segment: 1_000)
        var window: UInt32 = 700_000
        var reached: [UInt32] = []
        for step in 0..<400 {
            // A round trip of 50 ms acknowledges a whole window; the Reno-friendly window is far below.
            let path = CongestionControl.Path(
                segment: 1_000, now: UInt64(step) * Self.second / 20, roundTrip: 50_000_000)
            window = cubic.grown(window, by: window, path)
            if step % 60 == 59 { reached.append(window) }
        }
        #expect((9.0...9.2).contains(cubic.timeToPlateau))
        // After 3 s: 1,000 - 0.4 · 6.1³, some 909; after 6 s some 988; after 9 s the plateau; after 12 s some 1,010.
        #expect((905_000...925_000).contains(reached[0]))
        #expect((983_000...996_000).contains(reached[1]))
        #expect((999_000...1_001_000).contains(reached[2]))
        #expect((1_008_000...1_015_000).contains(reached[3]))
    }

    @Test func `CUBIC is never behind Reno on a short path`() {
        var cubic = CongestionControl(.cubic)
        cubic.lost(flight: 100_000, segment: Self.segment)
        for step in 0..<2_000 {
            // A round trip of a millisecond: the cubic curve hardly changes in that time.
            let now = UInt64(step) * 1_000_000
            cubic.acknowledged(cubic.window, segment: Self.segment, now: now, roundTrip: 1_000_000)
        }
        // Reno's rate with a decrease of 0.7 (§4.3): about half a segment per round trip, then a whole one.
        #expect(cubic.window >= 70_000 + 1_000 * 1_000)
    }

    @Test func `CUBIC abandons a plateau that it did not reach again`() {
        var cubic = Cubic()
        _ = cubic.threshold(afterLossAt: 100_000, flight: 100_000, segment: 1_000)
        #expect(cubic.plateau == 100)
        _ = cubic.threshold(afterLossAt: 80_000, flight: 80_000, segment: 1_000)
        #expect(cubic.plateau == 68)
    }

    @Test func `CUBIC grows by half the window per round trip at most`() {
        var cubic = Cubic()
        _ = cubic.threshold(afterLossAt: 10_000_000, flight: 10_000, segment: 1_000)
        let first = CongestionControl.Path(segment: 1_000, now: 0, roundTrip: 100_000_000)
        _ = cubic.grown(10_000, by: 1_000, first)
        // An hour later the curve is far above.
        let later = CongestionControl.Path(segment: 1_000, now: 3_600 * Self.second, roundTrip: 100_000_000)
        #expect(cubic.grown(10_000, by: 10_000, later) <= 15_000)
    }

    @Test func `cube roots`() {
        for root in [0.5, 1, 2, 9.085, 46.4, 1_000] {
            #expect(abs(Cubic.cubeRoot(root * root * root) - root) < 1e-9 * max(1, root))
        }
        #expect(Cubic.cubeRoot(0) == 0)
        #expect(Cubic.cubeRoot(-8) == 0)
    }
}
