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
    /// Connections that carried everything both ways, by the link and around it, and datagrams that were answered.
    public var wholeConnections = 0
    public var relayedConnections = 0
    /// Frames that came from a neighbour.
    public var neighborFrames = 0
    public var answeredDatagrams = 0
    /// A hash of everything that happened, by which two runs of a seed can be compared.
    public var digest: UInt64 = 0

    public init() {}

    /// Adds another run's counts.
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

/// Runs the whole engine, of two shards for each guest, from one seed.
public enum EngineSimulation {
    /// - Parameter recorder: hears of frames and events, for a replay; `nil` for speed.
    public static func run(seed: UInt64, recorder: Recorder? = nil) -> EngineReport {
        let run = EngineRun(seed: seed, recorder: recorder)
        run.run()
        return run.report
    }
}
