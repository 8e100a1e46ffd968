internal import RingwayModel
internal import RingwayStack
internal import RingwayWire

/// Everything that one seed determines about one guest and its engine.
struct EngineScenario {
    /// How a guest is removed from the shards.
    enum Ending: Equatable {
        /// The guest is removed once all flows and exchanges have ended by themselves.
        case quiet
        /// The guest is removed this many nanoseconds after its admission, even if connections exist.
        case stop(at: UInt64)
    }

    /// A guest's socket that exchanges datagrams with one host address.
    struct Exchange {
        var index: Int
        /// ICMP echoes rather than UDP.
        var isEcho: Bool
        /// The first datagram comes from the host, to a published port.
        var isPublished: Bool
        var remote: TransportAddress
        var guestPort: UInt16
        var count: Int
        var size: Int
        var startsAt: UInt64
        var interval: UInt64
    }

    let seed: UInt64
    let base: Scenario
    /// The engine's limits. They permit few UDP and ping mappings, so that the engine often evicts one for another.
    let limits: Limits
    /// Nanoseconds from the start of the run to the guest's admission.
    let comesAt: UInt64
    let ending: Ending
    let exchanges: [Exchange]
    /// Chance, for each frame of a flow, that the flow moves to a TAP queue chosen at random.
    let queueChanges: Double
    /// Whether the engine gets sockets inside the guest, so that clients on the host's loopback can bypass the link.
    let hasGuestSockets: Bool
    /// Flows opened by the host that use the guest's agent rather than a published port.
    let agentFlows: Set<Int>
    let generator: SplitMix64

    init?(seed: UInt64) {
        guard let base = Scenario(seed: seed) else { return nil }
        self.seed = seed
        self.base = base
        var random = SplitMix64(seed: SplitMix64.mix(seed &+ 0x656E_6769_6E65))
        comesAt = random.chance(0.5) ? 0 : UInt64(random.skewed(5_000)) * 1_000_000
        var limits = base.limits
        limits.udpMappings = random.pick([2, 16])
        limits.pingMappings = random.pick([2, 16])
        self.limits = limits
        ending = random.chance(0.3) ? .stop(at: UInt64(random.skewed(6_000)) * 1_000_000) : .quiet
        queueChanges = random.pick([0, 0.05, 0.5])
        hasGuestSockets = random.chance(0.5)
        var exchanges: [Exchange] = []
        for index in 0..<random.pick([0, 0, 1, 3, 8, 24]) {
            let isPublished = random.chance(0.3)
            exchanges.append(
                Exchange(
                    index: index, isEcho: !isPublished && random.chance(0.4), isPublished: isPublished,
                    remote: TransportAddress(
                        address: IPAddress(IPv4Address(203, 0, 113, UInt8(index + 1))), port: UInt16(7_000 + index)),
                    guestPort: UInt16(30_000 + index), count: random.skewed(60), size: random.integer(24...1_200),
                    startsAt: UInt64(random.skewed(3_000)) * 1_000_000,
                    interval: UInt64(random.skewed(50_000_000)) + 1))
        }
        self.exchanges = exchanges
        var agentFlows = Set<Int>()
        for script in base.flows where script.isOpenedByHost && random.chance(0.25) { agentFlows.insert(script.index) }
        self.agentFlows = agentFlows
        generator = random.split()
    }
}
