import RingwaySimulation
import Testing

/// Whole connections over faulty links. `tools/simulate --seed N` replays a seed that fails here, with a trace.
@Suite struct SeedTests {
    /// Seeds per test case, so that cases run beside each other.
    private static let batch: UInt64 = 50
    private static var batchCount: UInt64 {
        // Without optimisation a seed takes some fifty times as long.
        #if DEBUG
            2
        #else
            20
        #endif
    }

    @Test("every stream arrives whole or ends in a reset for a stated reason", arguments: 0..<batchCount)
    func everyStreamArrivesWholeOrIsReset(_ batch: UInt64) {
        for seed in batch * Self.batch..<(batch + 1) * Self.batch {
            let report = Simulation.run(seed: seed)
            #expect(report.failure == nil, "replay: tools/simulate --seed \(seed)")
        }
    }

    @Test("a seed is the same run every time")
    func aSeedIsTheSameRunEveryTime() {
        for seed: UInt64 in 1...10 {
            let first = Simulation.run(seed: seed)
            let second = Simulation.run(seed: seed)
            #expect(first.framesFromGuest == second.framesFromGuest)
            #expect(first.framesToGuest == second.framesToGuest)
            #expect(first.duration == second.duration)
        }
    }

    @Test("the scenarios meet every kind of trouble")
    func theScenariosMeetEveryKindOfTrouble() {
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

    @Test("a trace tells what every frame was")
    func aTraceTellsWhatEveryFrameWas() {
        var lines: [String] = []
        let recorder = Recorder(captures: true) { lines.append($0) }
        let report = Simulation.run(seed: 1, recorder: recorder)
        #expect(lines.count > report.framesFromGuest + report.framesToGuest)
        #expect(recorder.capture.count > 1_000)
    }
}
