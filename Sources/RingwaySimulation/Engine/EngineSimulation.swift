/// What one run of the whole engine came to.
public struct EngineReport: Sendable {
    /// What went wrong, or `nil`.
    public var failure: String?
    /// Nanoseconds of the host's clock.
    public var duration: UInt64 = 0
    public var framesFromGuest = 0
    public var framesToGuest = 0
    /// Steps that shards have made.
    public var steps = 0
    /// A hash of everything that happened, by which two runs of a seed can be compared.
    public var digest: UInt64 = 0
}

/// Runs the whole engine, of two shards, from one seed.
public enum EngineSimulation {
    /// - Parameter recorder: hears of frames and events, for a replay; `nil` for speed.
    public static func run(seed: UInt64, recorder: Recorder? = nil) -> EngineReport {
        guard let scenario = EngineScenario(seed: seed) else {
            preconditionFailure("a scenario's network plan is consistent")
        }
        if let recorder { recorder.begin(scenario.base) }
        let network = EngineNetwork(scenario, recorder: recorder)
        network.run()
        return network.report
    }
}
