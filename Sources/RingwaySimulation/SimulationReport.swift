/// What one run came to.
public struct SimulationReport: Sendable {
    /// What went wrong, or `nil`.
    public var failure: String?
    /// Nanoseconds of the stack's clock.
    public var duration: UInt64 = 0
    /// Frames the guest sent.
    public var framesFromGuest = 0
    /// Frames the stack sent.
    public var framesToGuest = 0
    /// Frames the stack sent again.
    public var retransmissions = 0
    /// How often the stack's retransmission timer ran out.
    public var timeouts = 0
}

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
