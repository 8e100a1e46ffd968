import RingwayStorage

/// The pools of a few shards over one space, all driven from the test's thread.
final class PoolBench {
    let space: BufferSpace
    private let pools: UnsafeMutablePointer<BufferPool>

    init(shards: Int = 1, large: Int = 4, small: Int = 4) {
        space = MemoryFailure.trap { try BufferSpace(shards: shards, largeCount: large, smallCount: small) }
        pools = .allocate(capacity: shards)
        for shard in 0..<shards {
            (pools + shard).initialize(to: MemoryFailure.trap { [space] in try BufferPool(space: space, shard: shard) })
        }
    }

    deinit {
        pools.deinitialize(count: space.shards)
        pools.deallocate()
        space.deallocate()
    }

    func lease(_ kind: Lease.Kind, shard: Int = 0) -> Lease { pools[shard].lease(kind) }
    func lease(fitting bytes: Int) -> Lease { pools[0].lease(fitting: bytes) }
    func hold(_ lease: Lease, shard: Int = 0) { pools[shard].hold(lease) }
    func release(_ lease: Lease, shard: Int = 0) { pools[shard].release(lease) }
    func releaseAll(_ queue: inout LeaseQueue) { pools[0].releaseAll(&queue) }
    func takeStrays(of home: Int, shard: Int) -> Lease { pools[shard].takeStrays(of: home) }
    func keepStrays(_ chain: Lease, of home: Int, shard: Int) { pools[shard].keepStrays(chain, of: home) }
    func acceptHome(_ chain: Lease, shard: Int) { pools[shard].acceptHome(chain) }
    func strayCount(shard: Int) -> Int { pools[shard].strayCount }
    func leased(shard: Int = 0) -> Int { pools[shard].leased }
    func largeAvailable(shard: Int = 0) -> Int { pools[shard].largeAvailable }
    func smallAvailable(shard: Int = 0) -> Int { pools[shard].smallAvailable }

    /// The leases of a chain, first to last.
    func members(of chain: Lease) -> [Lease] {
        var members: [Lease] = []
        var lease = chain
        while !lease.isNone {
            members.append(lease)
            lease = space.state(of: lease).pointee.next
        }
        return members
    }
}
