public import RingwayRing
public import RingwayStorage
public import RingwaySystem

/// A buffer ring whose buffers are leased from a pool: the kernel picks one when data arrives, and the completion
/// identifies the lease.
///
/// The ring is kept short, so that data lands in recently used buffers that are still in the cache. A ring whose
/// buffers do not fit into the cache costs a third of the throughput. The ring grows if operations find no buffer,
/// because many sources have data at once. It shrinks again if it stays more than half full for long.
public struct LeaseRing: ~Copyable {
    private var ring: BufferRing
    private let leases: UnsafeMutablePointer<Lease>
    private let free: UnsafeMutablePointer<UInt16>
    private var freeCount: Int
    /// The number of buffers that `refill` provides.
    private var target: Int
    private let least: Int
    /// The number of consecutive refills that found more than half of `target` still in the ring.
    private var idleRefills = 0
    /// The most buffers that `refill` provides, even if `target` is larger.
    public var limit: Int
    /// Bytes left free at the start of each buffer.
    public let headroom: Int
    /// Large buffers to leave in the pool for other uses.
    public let reserve: Int

    public var group: UInt16 { ring.group }
    /// Buffers available to the kernel.
    public var available: Int { ring.available }

    /// A ring without buffers. Call `register` before `refill`.
    ///
    /// - Parameters:
    ///   - capacity: the most buffers in the ring, a power of two.
    ///   - least: the number of buffers that the ring starts with and shrinks to.
    ///   - group: the buffer group ID, by which operations refer to the ring.
    public init(
        capacity: Int, least: Int, group: UInt16, headroom: Int, reserve: Int
    ) throws(SystemError) {
        // Allocations that may fail come before the first stored property is set: once all are set, a throwing `init`
        // would run `deinit`.
        var blocks = MemoryBlocks()
        let leases: UnsafeMutablePointer<Lease>
        let free: UnsafeMutablePointer<UInt16>
        do throws(MemoryFailure) {
            leases = try blocks.apart(capacity, of: Lease.self)
            free = try blocks.apart(capacity, of: UInt16.self)
        } catch {
            throw SystemError(error)
        }
        let ring = try BufferRing(capacity: capacity, group: group)
        blocks.keep()
        self.ring = ring
        self.least = min(least, capacity)
        target = self.least
        self.leases = leases
        self.free = free
        leases.initialize(repeating: .none, count: capacity)
        for slot in 0..<capacity { free[slot] = UInt16(capacity - 1 - slot) }
        freeCount = capacity
        limit = capacity
        self.headroom = headroom
        self.reserve = reserve
    }

    deinit {
        leases.deallocate()
        free.deallocate()
    }

    /// Registers the ring with the kernel. Called by the thread that drives `owner`.
    public func register(with owner: inout Ring) throws(SystemError) { try ring.register(with: &owner) }

    /// Unregisters the ring from the kernel and releases its buffers. No operation may refer to it any more.
    public mutating func unregister(
        from owner: inout Ring, _ pool: UnsafeMutablePointer<BufferPool>
    ) {
        ring.unregister(from: &owner)
        drain(into: pool)
    }

    /// Fills the ring from the pool, up to the smaller of `target` and `limit`. Returns whether the ring has buffers
    /// afterwards.
    @discardableResult
    public mutating func refill(from pool: UnsafeMutablePointer<BufferPool>) -> Bool {
        if target > least { considerShrinking() }
        return fill(upTo: min(target, limit), from: pool)
    }

    /// Fills the ring up to the given number of buffers, at most the capacity, but leaves `reserve` large buffers in
    /// the pool. Returns whether the ring has buffers afterwards.
    @discardableResult
    public mutating func fill(upTo count: Int, from pool: UnsafeMutablePointer<BufferPool>) -> Bool {
        // A buffer in the ring is charged to no guest (owner 0). It is charged to a guest when data arrives.
        let owner = pool.pointee.owner
        pool.pointee.owner = 0
        defer { pool.pointee.owner = owner }
        while ring.available < count, freeCount > 0, pool.pointee.largeAvailable > reserve {
            let lease = pool.pointee.lease(.large)
            guard !lease.isNone else { break }
            freeCount &-= 1
            let identifier = free[freeCount]
            leases[Int(identifier)] = lease
            ring.add(
                pool.pointee.space.address(of: lease) + headroom,
                length: UInt32(BufferSpace.largeSize - headroom), identifier: identifier)
        }
        ring.publish()
        return ring.available > 0
    }

    /// Doubles the number of buffers that `refill` provides, up to the capacity. Called when an operation has found
    /// no buffer.
    public mutating func grow() {
        target = min(ring.capacity, target * 2)
        idleRefills = 0
    }

    private mutating func considerShrinking() {
        guard ring.available > target / 2 else {
            idleRefills = 0
            return
        }
        idleRefills += 1
        guard idleRefills >= 4_096 else { return }
        idleRefills = 0
        target = max(least, target / 2)
    }

    /// The lease of a completion's buffer, now owned by the caller.
    public mutating func take(_ identifier: UInt16) -> Lease {
        let lease = leases[Int(identifier)]
        precondition(!lease.isNone, "the kernel named a buffer that it was not given")
        leases[Int(identifier)] = .none
        free[freeCount] = identifier
        freeCount &+= 1
        ring.taken()
        return lease
    }

    /// Returns all buffers to the pool; the kernel must not use the ring any more.
    public mutating func drain(into pool: UnsafeMutablePointer<BufferPool>) {
        for slot in 0..<ring.capacity where !leases[slot].isNone {
            pool.pointee.release(leases[slot])
            leases[slot] = .none
        }
    }
}
