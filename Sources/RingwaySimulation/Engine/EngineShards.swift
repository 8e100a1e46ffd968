internal import RingwayEngine
internal import RingwayModel
internal import RingwayRing
internal import RingwayStack
internal import RingwaySystem

/// The shards of a run, which all its guests share, and the rings that they work on.
final class EngineShards {
    static var count: Int { 2 }

    let host: ModelHost
    let stepped: SteppedShards
    private let rings: [ScriptedRing]
    /// Guests that have come so far.
    private var comers = 0

    /// - Parameter buffers: large and small ones of each shard.
    init(on host: ModelHost, limits: [Limits]) throws(SystemError) {
        var configuration = ShardSet.Configuration(shards: Self.count, limits: limits[0], features: .scripted)
        configuration.largeBuffers = limits.reduce(0) { $0 + $1.largeBuffers }
        configuration.smallBuffers = limits.reduce(0) { $0 + $1.smallBuffers }
        stepped = try SteppedShards(configuration)
        rings = host.rings.suffix(Self.count).compactMap(\.self)
        self.host = host
    }

    /// Another guest comes; how many have before.
    func nextOrder() -> Int {
        comers += 1
        return comers
    }

    func isReady(_ shard: Int) -> Bool {
        switch stepped.place(of: shard) {
        case .ended: false
        case .awake: true
        case .asleep: rings[shard].hasCompletion || rings[shard].sleepsUntil <= host.now
        }
    }

    var ready: [Int] { (0..<Self.count).filter(isReady) }

    /// Shards that sleep, and until when.
    var sleeping: [(shard: Int, until: UInt64)] {
        (0..<Self.count).filter { stepped.place(of: $0) == .asleep }.map { ($0, rings[$0].sleepsUntil) }
    }

    var haveEnded: Bool { (0..<Self.count).allSatisfy { stepped.place(of: $0) == .ended } }

    /// Whether all shards sleep with nothing to do, and nothing is on its way to them for the sake of these slots.
    func areQuiet(for slots: [(shard: Int, slot: UInt16)]) -> Bool {
        ready.isEmpty && rings.allSatisfy { $0.scheduledEvents[0, default: 0] == 0 }
            && slots.allSatisfy { rings[$0.shard].scheduledEvents[$0.slot, default: 0] == 0 }
    }

    /// Nothing is ever going to happen to the shards.
    var areAtRest: Bool {
        host.nextTime == nil && ready.isEmpty && sleeping.allSatisfy { $0.until == .max }
    }

    /// Operations of a slot's that are not over, as the ring knows them.
    func operations(of slot: UInt16, on shard: Int) -> Int { rings[shard].operationCount(of: slot) }

    /// What is wrong with the shards when all guests have gone; `nil` if nothing is.
    var fault: String? {
        if stepped.placedQueues != 0 { return "\(stepped.placedQueues) places of guests are not free" }
        for shard in 0..<Self.count {
            let holdings = stepped.holdings(of: shard)
            if holdings.leases != holdings.expectedLeases {
                return "shard \(shard): \(holdings.leases) buffers are leased, rings have \(holdings.expectedLeases)"
            }
            if holdings.messages != 0 { return "shard \(shard): \(holdings.messages) messages stay" }
            // The doorbell's.
            let operations = rings[shard].operationCount
            if operations > 1 { return "shard \(shard): \(operations) operations stay" }
        }
        return nil
    }
}
