internal import RingwayStack

/// Runs the simulation of the stack.
public enum Simulation {
    /// Runs the scenario of a seed to its end, or until a check fails.
    ///
    /// - Parameters:
    ///   - seed: determines everything, except the congestion control.
    ///   - recorder: receives every frame and event, for a replay; `nil` for speed.
    ///   - usesCubic: whether the stack uses CUBIC, for a comparison, instead of its default congestion control.
    public static func run(seed: UInt64, recorder: Recorder? = nil, usesCubic: Bool = false) -> SimulationReport {
        guard var scenario = Scenario(seed: seed) else {
            preconditionFailure("a scenario's network plan is consistent")
        }
        if usesCubic { scenario.congestion = .cubic }
        return run(scenario, recorder)
    }

    /// Runs a bulk transfer; the seed determines which segments are lost.
    public static func run(_ transfer: Transfer, seed: UInt64, usesCubic: Bool) -> SimulationReport {
        guard var scenario = Scenario(transfer, seed: seed) else {
            preconditionFailure("a transfer's network plan is consistent")
        }
        if usesCubic { scenario.congestion = .cubic }
        return run(scenario, nil)
    }

    private static func run(_ scenario: Scenario, _ recorder: Recorder?) -> SimulationReport {
        let network = SimulatedNetwork(scenario, recorder: recorder)
        if let recorder { recorder.begin(scenario) }
        network.run()
        return network.report
    }
}
