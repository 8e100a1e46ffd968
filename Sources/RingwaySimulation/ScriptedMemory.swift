internal import RingwayModel
internal import RingwayStorage

/// The buffers of a `ScriptedNetwork`, reused for all scripts, because allocating them costs more than running most
/// scripts.
public final class ScriptedMemory {
    let limits: Limits
    let space: BufferSpace
    let pool: UnsafeMutablePointer<BufferPool>

    /// Allocates the buffers.
    public init() {
        var limits = Limits()
        limits.flowsPerGuest = 64
        limits.udpMappings = 16
        limits.pingMappings = 4
        limits.nameQueries = 4
        limits.fragments = 4
        limits.poolBytesPerShard = 4 << 20
        limits.outOfOrderBytesPerFlow = 256 << 10
        self.limits = limits
        space = MemoryFailure.trap {
            try BufferSpace(shards: 1, largeCount: limits.largeBuffers, smallCount: limits.smallBuffers)
        }
        pool = .allocate(capacity: 1)
        pool.initialize(to: MemoryFailure.trap { [space] in try BufferPool(space: space, shard: 0) })
    }

    deinit {
        pool.deinitialize(count: 1)
        pool.deallocate()
        space.deallocate()
    }
}
