/// Runs one seed from beginning to end.
public enum Simulation {
    /// - Parameters:
    ///   - seed: decides everything.
    ///   - recorder: hears of every frame and event, for a replay; `nil` for speed.
    public static func run(seed: UInt64, recorder: Recorder? = nil) -> SimulationReport {
        guard let scenario = Scenario(seed: seed) else {
            preconditionFailure("a scenario's network plan is consistent")
        }
        let network = SimulatedNetwork(scenario, recorder: recorder)
        if let recorder { recorder.begin(scenario) }
        network.run()
        return network.report
    }
}
