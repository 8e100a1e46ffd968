import RingwayStorage

/// A pool for links to lease from.
final class LinkBench {
    let space: BufferSpace
    let pool: UnsafeMutablePointer<BufferPool>
    let counters = Counters()

    init(large: Int = 64, small: Int = 64) {
        space = MemoryFailure.trap { try BufferSpace(shards: 1, largeCount: large, smallCount: small) }
        pool = .allocate(capacity: 1)
        pool.initialize(to: MemoryFailure.trap { [space] in try BufferPool(space: space, shard: 0) })
    }

    deinit {
        counters.deallocate()
        pool.deinitialize(count: 1)
        pool.deallocate()
        space.deallocate()
    }

    var leased: Int { @inline(never) get { pool.pointee.leased } }

    /// The bytes of a leased buffer, which goes back.
    @inline(never) func take(_ lease: Lease, offset: Int = 0, length: Int) -> [UInt8] {
        defer { pool.pointee.release(lease) }
        return Array(UnsafeRawBufferPointer(start: space.address(of: lease) + offset, count: length))
    }

    /// A buffer that holds the bytes from `offset` on.
    @inline(never) func lease(_ bytes: [UInt8], offset: Int = 0, _ kind: Lease.Kind = .large) -> Lease {
        let lease = pool.pointee.lease(kind)
        precondition(!lease.isNone, "buffers leak")
        (space.address(of: lease) + offset).copyMemory(from: bytes, byteCount: bytes.count)
        return lease
    }

    @inline(never) func lease(_ kind: Lease.Kind) -> Lease { pool.pointee.lease(kind) }
    @inline(never) func release(_ lease: Lease) { pool.pointee.release(lease) }
}
