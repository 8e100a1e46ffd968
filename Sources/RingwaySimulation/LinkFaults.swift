/// The faults of a link in one direction. A `Double` is a probability.
public struct LinkFaults: Sendable {
    /// A frame does not arrive.
    public var loss = 0.0
    /// A loss also drops up to this many of the following frames.
    public var lossBurst = 0
    /// A frame arrives twice.
    public var duplication = 0.0
    /// A frame is delayed by up to `reorderDelay`, so that later ones overtake it.
    public var reordering = 0.0
    /// One bit of the IP packet is inverted. Frames with a partial checksum are not changed, because no checksum would
    /// detect it.
    public var corruption = 0.0
    /// The delay of every frame, in nanoseconds.
    public var delay: UInt64 = 20_000
    /// The longest additional delay of a reordered frame, in nanoseconds.
    public var reorderDelay: UInt64 = 0
    /// The link's rate in bytes per second; zero for unlimited.
    public var rate: UInt64 = 0
    /// The queue limit of a link with a rate, in bytes; a frame is lost if more bytes than that wait before it.
    public var queue: UInt64 = 0

    /// A link without faults.
    public init() {}

    /// Draws random faults. Swarm testing: each kind of fault is on or off, with a random rate, so that rare
    /// combinations occur.
    init(from random: inout SplitMix64) {
        delay = UInt64(random.skewed(20_000_000)) + 1_000
        let worst = random.pick([0.005, 0.03, 0.1, 0.3])
        if random.chance(0.5) { loss = random.fraction() * worst }
        if loss > 0, random.chance(0.3) { lossBurst = random.skewed(30) }
        if random.chance(0.35) { duplication = random.fraction() * worst }
        if random.chance(0.35) {
            reordering = random.fraction() * min(1, worst * 2)
            reorderDelay = UInt64(random.skewed(200_000_000)) + 1_000
        }
        if random.chance(0.3) { corruption = random.fraction() * worst / 2 }
    }
}

extension LinkFaults: CustomStringConvertible {
    /// The probabilities in percent and the delays in microseconds.
    public var description: String {
        func percent(_ value: Double) -> String { "\(Double(Int(value * 1_000)) / 10)%" }
        return "loss \(percent(loss)) burst \(lossBurst) duplication \(percent(duplication)) "
            + "reordering \(percent(reordering)) by \(reorderDelay / 1_000) µs corruption \(percent(corruption)) "
            + "delay \(delay / 1_000) µs"
    }
}
