import Foundation
import RingwaySimulation
import Testing

/// The fuzzer's initial inputs and former findings, replayed on every test run.
@Suite("The fuzzer's corpus")
struct CorpusTests {
    private static var directory: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "Corpus/stack")
    }

    @Test func `no script of the corpus makes the stack leak, trap or send a bad frame`() throws {
        let files = try FileManager.default.contentsOfDirectory(at: Self.directory, includingPropertiesForKeys: nil)
        #expect(files.count > 100)
        let memory = ScriptedMemory()
        var frames = 0
        for file in files {
            let script = [UInt8](try Data(contentsOf: file))
            script.withUnsafeBytes { frames += ScriptedNetwork.run($0, in: memory) }
        }
        #expect(frames > 1_000)
    }

    @Test func `a simulation's script makes the stack send the same frames again`() {
        for seed: UInt64 in 1...20 {
            let recorder = Recorder()
            let report = Simulation.run(seed: seed, recorder: recorder)
            let frames = recorder.script.withUnsafeBytes { ScriptedNetwork.run($0) }
            // Timers may run a little earlier, so the count is close, not equal.
            #expect(frames * 10 > report.framesToGuest * 5, "seed \(seed)")
        }
    }
}
