/// Which slots of which shards have guests: the control plane's side of `GuestTable`.
///
/// A queue goes to the shard that has the fewest, and the queues of one guest to different shards as far as there are. So
/// guests with one queue are spread over all shards.
struct ShardPlacement {
    private struct Shard {
        var load = 0
        /// Slots that have had a guest and are free, and the generation of each slot so far.
        var free: [UInt16] = []
        var generations: [UInt16] = []
    }

    private var shards: [Shard]
    private let limit: Int

    /// - Parameters:
    ///   - count: of shards.
    ///   - limit: of guests on each.
    init(count: Int, limit: Int) {
        shards = Array(repeating: Shard(), count: count)
        self.limit = limit
    }

    /// A place for each queue of a guest; `nil` when there is none left for all of them.
    mutating func place(queues count: Int) -> [GuestPlace]? {
        var places: [GuestPlace] = []
        var used: [Int] = Array(repeating: 0, count: shards.count)
        for _ in 0..<count {
            // Of equals the first, so that one guest with a queue for each shard has queue n on shard n.
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

    /// Nothing of the guest at this place is left: it may have another one.
    mutating func free(_ place: GuestPlace) {
        let index = Int(place.shard)
        shards[index].load -= 1
        shards[index].generations[Int(place.slot) - 1] &+= 1
        shards[index].free.append(place.slot)
    }

    /// Queues that are placed.
    var count: Int { shards.reduce(0) { $0 + $1.load } }
}
