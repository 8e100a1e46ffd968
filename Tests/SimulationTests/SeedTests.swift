import RingwaySimulation
import Testing

/// Whole connections over faulty links. `tools/simulate --seed N` replays a seed that fails here, with a trace.
@Suite("Simulated connections")
struct SeedTests {
    /// Seeds per test case, so that cases run in parallel.
    private static let batch: UInt64 = 50
    private static var batchCount: UInt64 {
        // Without optimisation a seed takes some fifty times as long.
        #if DEBUG
            2
        #else
            20
        #endif
    }

    @Test(arguments: 0..<batchCount)
    func `every stream arrives whole or ends in a reset for a stated reason`(_ batch: UInt64) {
        for seed in batch * Self.batch..<(batch + 1) * Self.batch {
            let report = Simulation.run(seed: seed)
            #expect(report.failure == nil, "replay: tools/simulate --seed \(seed)")
        }
    }

    /// The other congestion control has the same properties.
    @Test func `streams arrive whole with CUBIC, too`() {
        for seed in 1...Self.batch {
            let report = Simulation.run(seed: seed, usesCubic: true)
            #expect(report.failure == nil, "replay: tools/simulate --seed \(seed) --cubic")
        }
    }

    @Test func `a seed is the same run every time`() {
        for seed: UInt64 in 1...10 {
            let first = Simulation.run(seed: seed)
            let second = Simulation.run(seed: seed)
            #expect(first.framesFromGuest == second.framesFromGuest)
            #expect(first.framesToGuest == second.framesToGuest)
            #expect(first.duration == second.duration)
        }
    }

    @Test func `the scenarios meet every kind of trouble`() {
        var retransmissions = 0
        var timeouts = 0
        for seed: UInt64 in 1...100 {
            let report = Simulation.run(seed: seed)
            retransmissions += report.retransmissions
            timeouts += report.timeouts
        }
        #expect(retransmissions > 100)
        #expect(timeouts > 10)
    }

    @Test func `a trace describes every frame`() {
        var lines: [String] = []
        let recorder = Recorder(captures: true) { lines.append($0) }
        let report = Simulation.run(seed: 1, recorder: recorder)
        #expect(lines.count > report.framesFromGuest + report.framesToGuest)
        #expect(recorder.capture.count > 1_000)
    }
}
