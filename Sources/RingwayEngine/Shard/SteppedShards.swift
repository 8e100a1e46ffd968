internal import RingwayModel
internal import RingwayStorage
public import RingwaySystem

/// Shards without threads: their owner has them go on, one step at a time and in any order. For simulations, whose thread
/// has a model of a host (`HostModel`).
///
/// A turn of a shard falls into two steps: up to where its thread would sleep, and from there on. Between them other shards
/// may have any number of turns, as they may while a thread sleeps. Guests (`SteppedEngine`) come and go as on any shards,
/// but nothing waits for a shard: what was asked of it is done after some steps.
public final class SteppedShards {
    /// Where a shard stands.
    public enum Place { case asleep, awake, ended }

    let set: ShardSet
    private let shards: UnsafeMutablePointer<Shard>
    private var places: [Place] = []

    public init(_ configuration: ShardSet.Configuration) throws(SystemError) {
        let set = try ShardSet(unstarted: configuration)
        self.set = set
        shards = try SystemError.orMemory { () throws(MemoryFailure) in try .allocateApart(capacity: set.shards) }
        for index in 0..<set.shards {
            (shards + index).initialize(to: try Shard(index: index, set: set))
            places.append(.awake)
            (shards + index).pointee.begin()
        }
    }

    deinit {
        end()
        shards.deallocate()
    }

    public var count: Int { self.set.shards }
    public func place(of shard: Int) -> Place { places[shard] }
    /// Queues of guests that have a place.
    public var placedQueues: Int { self.set.placedQueues }

    /// Has a shard make its next step: a sleeping one wakes.
    public func step(_ shard: Int) {
        switch places[shard] {
        case .ended: return
        case .awake:
            (shards + shard).pointee.beginTurn()
            places[shard] = .asleep
        case .asleep:
            (shards + shard).pointee.goOn()
            places[shard] = .awake
        }
        if (shards + shard).pointee.isStopping { dismantle(shard) }
    }

    /// The slot of the guest that a shard is serving in the middle of a step; zero for none.
    public func servedSlot(of shard: Int) -> UInt16 { set.pool(shard).pointee.owner }

    /// Has every shard end, when all guests have gone.
    public func stop() { for shard in places.indices { set.call(.stop, shard) } }

    /// Takes the shards down as they are, with all guests on them.
    public func end() { for shard in places.indices where places[shard] != .ended { dismantle(shard) } }

    /// Gives a shard's memory back as its thread does: the ring goes with the shard, before the memory that it knew.
    private func dismantle(_ shard: Int) {
        places[shard] = .ended
        let wreck = (shards + shard).pointee.takeWreck()
        (shards + shard).deinitialize(count: 1)
        set.closeCalls(of: shard)
        for remains in wreck { remains.letGo() }
    }

    // MARK: Looking on

    /// What a shard holds that has not ended.
    public func holdings(of shard: Int) -> ShardHoldings {
        places[shard] == .ended ? ShardHoldings() : (shards + shard).pointee.holdings
    }

    func holdings(of place: GuestPlace) -> ShardHoldings {
        let shard = Int(place.shard)
        return places[shard] == .ended ? ShardHoldings() : (shards + shard).pointee.holdings(of: place)
    }

    func now(_ shard: Int) -> UInt64 { (shards + shard).pointee.now }
}
