internal import RingwayModel
internal import RingwayStorage
public import RingwaySystem

/// Shards without threads: the caller runs them one step at a time, in any order. They are for simulations, in which
/// one thread runs all shards against a model of the host (`HostModel`).
///
/// A turn has two steps: up to the point where the thread would sleep, and the rest. Between them other shards may
/// run any number of turns, as they may while a real thread sleeps. Guests (`SteppedEngine`) are added and removed as
/// on shards with threads, but no caller waits for a shard: requests are carried out in later steps.
public final class SteppedShards {
    /// The state of a shard between two steps.
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
    /// The number of links' queues that have a place on a shard.
    public var placedQueues: Int { self.set.placedQueues }

    /// Runs the next step of a shard. A sleeping shard wakes.
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

    /// The slot of the guest that a shard is serving in the middle of a step; zero if there is none.
    public func servedSlot(of shard: Int) -> UInt16 { set.pool(shard).pointee.owner }

    /// Asks every shard to stop. All guests must have been removed.
    public func stop() { for shard in places.indices { set.call(.stop, shard) } }

    /// Ends the shards immediately, with all guests that are still on them.
    public func end() { for shard in places.indices where places[shard] != .ended { dismantle(shard) } }

    /// Frees a shard and its ring, then notifies the engines of guests that a failure of the ring has ended. Their
    /// memory may be freed only now, because the kernel may access it until the ring is closed.
    private func dismantle(_ shard: Int) {
        places[shard] = .ended
        let aborted = (shards + shard).pointee.takeAborted()
        (shards + shard).deinitialize(count: 1)
        set.closeCalls(of: shard)
        for guest in aborted { guest.notifyEngine() }
    }

    // MARK: Inspection

    /// The resources in use by a shard; all zero if it has ended.
    public func holdings(of shard: Int) -> ShardHoldings {
        places[shard] == .ended ? ShardHoldings() : (shards + shard).pointee.holdings
    }

    func holdings(of place: GuestPlace) -> ShardHoldings {
        let shard = Int(place.shard)
        return places[shard] == .ended ? ShardHoldings() : (shards + shard).pointee.holdings(of: place)
    }

    func now(_ shard: Int) -> UInt64 { (shards + shard).pointee.now }
}
