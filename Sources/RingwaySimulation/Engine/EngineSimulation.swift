/// The result of a run of the whole engine.
public struct EngineReport: Sendable {
    /// The failure, or `nil`.
    public var failure: String?
    /// The duration of the run, in nanoseconds of the model host's clock.
    public var duration: UInt64 = 0
    public var framesFromGuest = 0
    public var framesToGuest = 0
    /// How often the run's loop has let a shard go on, let the host complete an operation, or advanced the clock.
    public var steps = 0
    /// Clients and servers on the host whose connection transferred everything in both directions.
    public var wholeConnections = 0
    /// Servers inside the guest whose spliced connection transferred everything in both directions.
    public var relayedConnections = 0
    /// Frames received from a neighbour.
    public var neighborFrames = 0
    /// Datagrams that were answered.
    public var answeredDatagrams = 0
    /// A hash of all events, to compare two runs of a seed.
    public var digest: UInt64 = 0

    public init() {}

    /// Adds the counts of another report.
    public mutating func add(_ other: EngineReport) {
        steps += other.steps
        framesFromGuest += other.framesFromGuest
        framesToGuest += other.framesToGuest
        wholeConnections += other.wholeConnections
        relayedConnections += other.relayedConnections
        neighborFrames += other.neighborFrames
        answeredDatagrams += other.answeredDatagrams
    }
}

/// Runs the whole engine from one seed: one or more guests on two shards.
public enum EngineSimulation {
    /// Runs the guests to their end, or until a check fails.
    ///
    /// - Parameter recorder: receives the trace as text and the frames to guests; `nil` for speed.
    public static func run(seed: UInt64, recorder: Recorder? = nil) -> EngineReport {
        let run = EngineRun(seed: seed, recorder: recorder)
        run.run()
        return run.report
    }
}
