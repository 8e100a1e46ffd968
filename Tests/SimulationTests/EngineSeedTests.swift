import RingwaySimulation
import Testing

/// The whole engine, two shards between a model guest and a model host. `tools/simulate --engine --seed N` replays a seed
/// that fails here, with a trace; `tools/simulate --engine --seeds 100000` looks further.
@Suite("The whole engine under one seed")
struct EngineSeedTests {
    /// Seeds per test case, so that cases run beside each other.
    private static let batch: UInt64 = 50
    private static var batchCount: UInt64 {
        // Without optimisation a seed takes some fifty times as long.
        #if DEBUG
            1
        #else
            40
        #endif
    }

    @Test(arguments: 0..<batchCount)
    func `streams are whole or reset, datagrams unchanged, and nothing is left`(_ batch: UInt64) {
        for seed in batch * Self.batch + 1...(batch + 1) * Self.batch {
            let report = EngineSimulation.run(seed: seed)
            #expect(report.failure == nil, "replay: tools/simulate --engine --seed \(seed)")
        }
    }

    /// Seeds in which a mapping, a relay or a guest ended in the turn in which something was queued on a socket: it went
    /// out on a descriptor that was closed by then, or another one's.
    @Test(arguments: [75, 7, 1_635] as [UInt64])
    func `what is queued on a socket goes out before the socket is closed`(_ seed: UInt64) {
        #expect(EngineSimulation.run(seed: seed).failure == nil, "replay: tools/simulate --engine --seed \(seed)")
    }

    @Test func `a seed is the same run every time`() {
        for seed: UInt64 in 1...10 {
            #expect(EngineSimulation.run(seed: seed).digest == EngineSimulation.run(seed: seed).digest)
        }
    }
}
