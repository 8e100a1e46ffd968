internal import RingwayEngine
internal import RingwayModel
internal import RingwayRing
internal import RingwayStack
internal import RingwaySystem

/// The shards of a run, shared by all its guests, and their rings.
final class EngineShards {
    static var count: Int { 2 }

    let host: ModelHost
    let stepped: SteppedShards
    private let rings: [ScriptedRing]
    /// The number of admissions so far.
    private var comers = 0

    /// - Parameter limits: the limits of each guest. A shard gets as many buffers as the limits of all guests
    ///   together specify.
    init(on host: ModelHost, limits: [Limits]) throws(SystemError) {
        var configuration = ShardSet.Configuration(shards: Self.count, limits: limits[0], features: .scripted)
        configuration.largeBuffers = limits.reduce(0) { $0 + $1.largeBuffers }
        configuration.smallBuffers = limits.reduce(0) { $0 + $1.smallBuffers }
        stepped = try SteppedShards(configuration)
        rings = host.rings.suffix(Self.count).compactMap(\.self)
        self.host = host
    }

    /// Counts another admission; returns its number, from 1.
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

    /// The sleeping shards, each with the time of the host's clock at which its wait times out.
    var sleeping: [(shard: Int, until: UInt64)] {
        (0..<Self.count).filter { stepped.place(of: $0) == .asleep }.map { ($0, rings[$0].sleepsUntil) }
    }

    var haveEnded: Bool { (0..<Self.count).allSatisfy { stepped.place(of: $0) == .ended } }

    /// Whether all shards sleep with nothing to do, and no event is scheduled for these slots or the shards
    /// themselves.
    func areQuiet(for slots: [(shard: Int, slot: UInt16)]) -> Bool {
        ready.isEmpty && rings.allSatisfy { $0.scheduledEvents[0, default: 0] == 0 }
            && slots.allSatisfy { rings[$0.shard].scheduledEvents[$0.slot, default: 0] == 0 }
    }

    /// Whether nothing will happen any more: no event is scheduled, and all shards sleep without a timeout.
    var areAtRest: Bool {
        host.nextTime == nil && ready.isEmpty && sleeping.allSatisfy { $0.until == .max }
    }

    /// The number of operations of a slot that have not ended, according to the ring.
    func operations(of slot: UInt16, on shard: Int) -> Int { rings[shard].operationCount(of: slot) }

    /// A fault of the shards after all guests have been removed; `nil` for none.
    var fault: String? {
        if stepped.placedQueues != 0 { return "\(stepped.placedQueues) places of guests are not free" }
        for shard in 0..<Self.count {
            let holdings = stepped.holdings(of: shard)
            if holdings.leases != holdings.expectedLeases {
                return "shard \(shard): \(holdings.leases) buffers are leased, rings have \(holdings.expectedLeases)"
            }
            if holdings.messages != 0 { return "shard \(shard): \(holdings.messages) messages stay" }
            // The poll of the shard's eventfd stays in flight.
            let operations = rings[shard].operationCount
            if operations > 1 { return "shard \(shard): \(operations) operations stay" }
        }
        return nil
    }
}
