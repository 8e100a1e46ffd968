internal import RingwayModel
internal import RingwayStack

/// Everything that one seed determines before the first frame is sent.
public struct Scenario: Sendable {
    /// The seed of the scenario.
    public let seed: UInt64
    let plan: NetworkPlan
    let limits: Limits
    let secret: UInt64
    /// The stack's clock when the simulation starts, in nanoseconds.
    let startsAt: UInt64
    /// The faults of the link for frames from the guest.
    public let fromGuest: LinkFaults
    /// The faults of the link for frames to the guest.
    public let toGuest: LinkFaults
    /// Nanoseconds after the start at which the faults end.
    public let healsAfter: UInt64
    /// Whether the link splits super-frames (GSO), so that their segments are lost or delayed individually.
    let linkCuts: Bool
    /// The length of a turn in nanoseconds: the stack gets all events of a turn before the stack's timers run.
    let turnLength: UInt64
    let largestStream: Int
    /// The stack's congestion control; not random, so that two algorithms can be compared over the same scenarios.
    var congestion = CongestionAlgorithm.newReno
    var flows: [FlowScript] = []
    /// The generator of the random numbers for all later events.
    let generator: SplitMix64

    /// The longest time that an old segment may take to arrive. A four-tuple is reused only after this time (RFC 9293
    /// §3.4.3).
    var quietTime: UInt64 { [fromGuest, toGuest].reduce(turnLength * 4) { $0 + $1.delay + $1.reorderDelay } }

    /// Draws a random scenario.
    public init?(seed: UInt64) {
        var random = SplitMix64(seed: SplitMix64.mix(seed &+ 0x52_696E_6777_6179))
        self.seed = seed
        let mtu = random.pick([1_500, 1_500, 1_280, 9_000, 65_520, random.integer(1_280...4_000)])
        let prefix = IPv6Address(high: 0xFD12_3456_789A_0000, low: 0)
        guard let block = CIDRBlock("192.168.127.0/24"),
            let plan = NetworkPlan(ipv4: block, ipv6Prefix: prefix, mtu: mtu)
        else { return nil }
        self.plan = plan
        var limits = Limits()
        limits.flowsPerGuest = 64
        limits.udpMappings = 16
        limits.pingMappings = 16
        limits.nameQueries = 16
        limits.fragments = 4
        limits.poolBytesPerShard = random.pick([1 << 20, 16 << 20, 64 << 20])
        limits.unsentBytesPerFlow = 65_536 << random.integer(0...6)
        limits.outOfOrderBytesPerFlow = random.pick([1 << 20, 1 << 20, 256 << 10])
        self.limits = limits
        secret = random.next()
        startsAt = random.time(1_000_000_000...1 << 47)
        let isFaulty = random.chance(0.85)
        fromGuest = isFaulty ? LinkFaults(from: &random) : LinkFaults()
        toGuest = isFaulty ? LinkFaults(from: &random) : LinkFaults()
        healsAfter = UInt64(random.skewed(20_000)) * 1_000_000
        linkCuts = random.chance(0.6)
        turnLength = random.chance(0.5) ? 0 : UInt64(random.skewed(2_000_000))
        largestStream = random.pick([100_000, 300_000, 1_000_000])
        generator = random.split()
        let count = random.pick([1, 1, 1, 2, 3, 6])
        for index in 0..<count {
            let script = FlowScript(index: index, from: &random, scenario: self)
            flows.append(script)
        }
    }
}
