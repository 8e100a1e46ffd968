/// Assigns guests to slots on shards: the control plane's counterpart of `GuestTable`.
///
/// Each queue goes to the shard with the fewest queues, and the queues of one guest go to different shards if there
/// are enough. Guests with one queue are therefore spread over all shards.
struct ShardPlacement {
    private struct Shard {
        var load = 0
        /// Slots that are free again, and the current generation of every slot used so far.
        var free: [UInt16] = []
        var generations: [UInt16] = []
    }

    private var shards: [Shard]
    private let limit: Int

    /// - Parameters:
    ///   - count: the number of shards.
    ///   - limit: the largest number of guests on each shard.
    init(count: Int, limit: Int) {
        shards = Array(repeating: Shard(), count: count)
        self.limit = limit
    }

    /// Reserves a place for each queue of a guest; `nil` if not all of them can be placed.
    mutating func place(queues count: Int) -> [GuestPlace]? {
        var places: [GuestPlace] = []
        var used: [Int] = Array(repeating: 0, count: shards.count)
        for _ in 0..<count {
            // Of several shards with the fewest queues the first is chosen, so that a single guest with one queue per
            // shard has queue n on shard n.
            let best = shards.indices.min { (used[$0], shards[$0].load) < (used[$1], shards[$1].load) }
            guard let best, let place = take(on: best) else {
                for place in places { free(place) }
                return nil
            }
            used[best] += 1
            places.append(place)
        }
        return places
    }

    private mutating func take(on index: Int) -> GuestPlace? {
        let slot: UInt16
        if let free = shards[index].free.popLast() {
            slot = free
        } else {
            guard shards[index].generations.count < limit else { return nil }
            shards[index].generations.append(0)
            slot = UInt16(shards[index].generations.count)
        }
        shards[index].load += 1
        return GuestPlace(
            shard: UInt16(index), slot: slot, generation: shards[index].generations[Int(slot) - 1])
    }

    /// Makes a place available to other guests. No operation or buffer of its last guest may be in use any more.
    mutating func free(_ place: GuestPlace) {
        let index = Int(place.shard)
        shards[index].load -= 1
        shards[index].generations[Int(place.slot) - 1] &+= 1
        shards[index].free.append(place.slot)
    }

    /// The number of queues that have a place.
    var count: Int { shards.reduce(0) { $0 + $1.load } }
}
