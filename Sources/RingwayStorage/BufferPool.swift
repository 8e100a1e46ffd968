/// The memory of the buffers of all shards. A `Lease` identifies a buffer by shard, size and slot.
///
/// The table of the shards' memory is filled before the shards start and is only read from then on.
@frozen
public struct BufferSpace: @unchecked Sendable {
    // Sendable: the table is not written after the shards have started, and the memory of a buffer is accessed only by
    // the holder of its lease.

    @frozen @usableFromInline struct Region: BitwiseCopyable {
        @usableFromInline var large: UnsafeMutableRawPointer
        @usableFromInline var small: UnsafeMutableRawPointer
        @usableFromInline var largeStates: UnsafeMutablePointer<LeaseState>
        @usableFromInline var smallStates: UnsafeMutablePointer<LeaseState>
    }

    /// Bytes in a large buffer, a multiple of the page size. The buffer holds a frame with a 64 KiB IP packet, or 64
    /// KiB of payload from a host socket with room for the headers before it.
    public static var largeSize: Int { 69_632 }
    /// Bytes in a small buffer.
    public static var smallSize: Int { 2_048 }
    /// The maximum number of shards of a process. The eight bits of the shard in a `Lease` would allow more.
    public static var maximumShards: Int { 64 }

    @usableFromInline let regions: UnsafeMutablePointer<Region>
    public let shards: Int
    public let largeCount: Int
    public let smallCount: Int

    /// Allocates the memory of `shards` pools. No page of a buffer is touched before the buffer is first leased.
    public init(shards: Int, largeCount: Int, smallCount: Int) throws(MemoryFailure) {
        precondition(shards > 0 && shards <= Self.maximumShards)
        precondition(largeCount > 0 && largeCount < 0x7F_FFFF && smallCount > 0 && smallCount < 0x7F_FFFF)
        self.shards = shards
        self.largeCount = largeCount
        self.smallCount = smallCount
        regions = .allocate(capacity: shards)
        for shard in 0..<shards {
            do throws(MemoryFailure) {
                (regions + shard).initialize(to: try Self.region(largeCount: largeCount, smallCount: smallCount))
            } catch {
                for made in 0..<shard { Self.deallocate(regions[made]) }
                regions.deallocate()
                throw error
            }
        }
    }

    private static func region(largeCount: Int, smallCount: Int) throws(MemoryFailure) -> Region {
        var blocks = MemoryBlocks()
        let region = Region(
            large: try blocks.pages(largeCount * largeSize), small: try blocks.pages(smallCount * smallSize),
            largeStates: try blocks.apart(largeCount, of: LeaseState.self),
            smallStates: try blocks.apart(smallCount, of: LeaseState.self))
        blocks.keep()
        return region
    }

    private static func deallocate(_ region: Region) {
        region.large.deallocate()
        region.small.deallocate()
        region.largeStates.deallocate()
        region.smallStates.deallocate()
    }

    /// Frees the memory. No lease may be in use any more.
    public func deallocate() {
        for shard in 0..<shards { Self.deallocate(regions[shard]) }
        regions.deallocate()
    }

    /// The first byte of the leased buffer.
    @inlinable @inline(__always) public func address(of lease: Lease) -> UnsafeMutableRawPointer {
        let region = regions + lease.shard
        return lease.isSmall
            ? region.pointee.small + lease.slot &* Self.smallSize
            : region.pointee.large + lease.slot &* Self.largeSize
    }

    @inlinable @inline(__always) public func state(of lease: Lease) -> UnsafeMutablePointer<LeaseState> {
        let region = regions + lease.shard
        return lease.isSmall
            ? region.pointee.smallStates + lease.slot
            : region.pointee.largeStates + lease.slot
    }

    /// Bytes in the leased buffer.
    @inlinable @inline(__always) public func size(of lease: Lease) -> Int {
        lease.isSmall ? Self.smallSize : Self.largeSize
    }

    /// The first byte of the payload, at the `offset` in the lease's state.
    @inlinable @inline(__always) public func payload(of lease: Lease) -> UnsafeMutableRawPointer {
        address(of: lease) + Int(state(of: lease).pointee.offset)
    }
}

/// One shard's buffers, a fixed number of each of two sizes. The buffer released last is the next to be leased.
///
/// Only its shard's thread uses a pool, so nothing here is atomic. An empty pool is an expected condition: `lease`
/// returns `Lease.none` and the caller applies backpressure. If a released buffer belongs to another shard, it is put
/// on a chain for that shard. The engine sends these chains to their shards once per turn.
///
/// Each leased buffer is charged to an *owner*: one of the guests that share the pool, or the shard itself. The
/// charges limit guests that hold many buffers, and show when a guest holds none any more.
public struct BufferPool: ~Copyable {
    public let space: BufferSpace
    public let shard: Int

    @usableFromInline var large: FreeList
    @usableFromInline var small: FreeList
    /// Leases to return to other shards, one chain per shard.
    @usableFromInline let strays: UnsafeMutablePointer<LeaseQueue>
    /// The number of leases on all chains of `strays`.
    public var strayCount = 0
    /// The owner to which newly leased buffers are charged: the number of a guest, or zero for the shard itself.
    public var owner: UInt16 = 0
    /// The number of large buffers guaranteed to each guest. Zero while only one guest uses the pool, because that
    /// guest may use all buffers.
    public var share = 0
    /// The number of large buffers charged to each owner, then, from index `owners` on, the numbers of small ones.
    @usableFromInline let charges: UnsafeMutablePointer<Int32>
    @usableFromInline let owners: Int

    @frozen @usableFromInline struct FreeList {
        @usableFromInline let slots: UnsafeMutablePointer<UInt32>
        @usableFromInline var count = 0
        /// Slots from this one on have never been leased, and their pages have never been touched.
        @usableFromInline var fresh: UInt32 = 0
        @usableFromInline let capacity: UInt32

        init(_ slots: UnsafeMutablePointer<UInt32>, capacity: Int) {
            self.slots = slots
            self.capacity = UInt32(capacity)
        }

        @inlinable var available: Int { count &+ Int(capacity &- fresh) }

        @inlinable @inline(__always) mutating func pop() -> UInt32? {
            if count > 0 {
                count &-= 1
                return slots[count]
            }
            guard fresh < capacity else { return nil }
            fresh &+= 1
            return fresh &- 1
        }

        @inlinable @inline(__always) mutating func push(_ slot: UInt32) {
            slots[count] = slot
            count &+= 1
        }
    }

    /// - Parameter owners: the number of owners, numbered from zero.
    public init(space: BufferSpace, shard: Int, owners: Int = 1) throws(MemoryFailure) {
        precondition(shard < space.shards && owners > 0 && owners <= 1 << 16)
        var blocks = MemoryBlocks()
        let largeSlots = try blocks.apart(space.largeCount, of: UInt32.self)
        let smallSlots = try blocks.apart(space.smallCount, of: UInt32.self)
        let strays = try blocks.apart(space.shards, of: LeaseQueue.self)
        charges = try blocks.apart(2 * owners, of: Int32.self)
        blocks.keep()
        self.owners = owners
        charges.initialize(repeating: 0, count: 2 * owners)
        self.space = space
        self.shard = shard
        large = FreeList(largeSlots, capacity: space.largeCount)
        small = FreeList(smallSlots, capacity: space.smallCount)
        self.strays = strays
        strays.initialize(repeating: LeaseQueue(), count: space.shards)
    }

    deinit {
        large.slots.deallocate()
        small.slots.deallocate()
        strays.deallocate()
        charges.deallocate()
    }

    @inlinable public var largeAvailable: Int { large.available }
    @inlinable public var smallAvailable: Int { small.available }
    /// Whether fewer than half of the large buffers are free and `owner` holds at least half of its share. The stack
    /// then stores payload as copies in small buffers where it can, so that large ones stay free for frames from the
    /// guest, including its acknowledgements.
    @inlinable public var isPressed: Bool {
        largeAvailable < space.largeCount / 2 && 2 &* largeHeld(by: owner) >= share
    }
    /// Whether fewer than half of the large buffers are free and `owner` holds its share, so that it should take no
    /// more. Always false if only one guest uses the pool.
    @inlinable public var isBeyondShare: Bool {
        share > 0 && largeAvailable < space.largeCount / 2 && largeHeld(by: owner) >= share
    }
    /// The number of leased buffers of both sizes.
    public var leased: Int { space.largeCount + space.smallCount - large.available - small.available }

    /// Leases a buffer with one reference, or returns `Lease.none` if all of that size are in use.
    @inlinable @inline(__always) public mutating func lease(_ kind: Lease.Kind) -> Lease {
        let taken: UInt32?
        switch kind {
        case .large: taken = large.pop()
        case .small: taken = small.pop()
        }
        guard let slot = taken else { return .none }
        let lease = Lease(shard: shard, kind: kind, slot: slot)
        let state = space.state(of: lease)
        state.pointee.begin()
        state.pointee.owner = owner
        charges[Int(owner) &+ (kind == .small ? owners : 0)] &+= 1
        return lease
    }

    /// Charges a buffer of this pool to `owner` instead of its previous owner. Buffers of other pools are ignored.
    @inlinable @inline(__always) public mutating func charge(_ lease: Lease) {
        guard lease.shard == shard else { return }
        let state = space.state(of: lease)
        guard state.pointee.owner != owner else { return }
        let base = lease.isSmall ? owners : 0
        charges[base &+ Int(state.pointee.owner)] &-= 1
        charges[base &+ Int(owner)] &+= 1
        state.pointee.owner = owner
    }

    /// The number of large buffers charged to an owner.
    @inlinable public func largeHeld(by owner: UInt16) -> Int { Int(charges[Int(owner)]) }
    /// The number of buffers of both sizes charged to an owner.
    @inlinable public func held(by owner: UInt16) -> Int {
        Int(charges[Int(owner)]) &+ Int(charges[owners &+ Int(owner)])
    }

    /// Puts a buffer on its free list and subtracts it from its owner's charge. No reference to it may be left.
    @inlinable @inline(__always) mutating func putBack(_ lease: Lease, _ state: UnsafeMutablePointer<LeaseState>) {
        if lease.isSmall {
            charges[owners &+ Int(state.pointee.owner)] &-= 1
            small.push(UInt32(lease.slot))
        } else {
            charges[Int(state.pointee.owner)] &-= 1
            large.push(UInt32(lease.slot))
        }
    }

    /// Leases a small buffer if `byteCount` bytes fit in one and one is free, otherwise a large buffer. Returns
    /// `Lease.none` if a large buffer is needed and none is free.
    @inlinable @inline(__always) public mutating func lease(fitting byteCount: Int) -> Lease {
        if byteCount <= BufferSpace.smallSize {
            let lease = lease(.small)
            if !lease.isNone { return lease }
        }
        return lease(.large)
    }

    /// Adds a reference, for example for a write in flight.
    @inlinable @inline(__always) public func hold(_ lease: Lease) { space.state(of: lease).pointee.holds &+= 1 }

    /// Removes a reference. A buffer without references is freed, or put on `strays` if it belongs to another shard.
    @inlinable public mutating func release(_ lease: Lease) {
        let state = space.state(of: lease)
        precondition(state.pointee.holds > 0, "a buffer was released more often than held")
        state.pointee.holds &-= 1
        guard state.pointee.holds == 0 else { return }
        if lease.shard == shard {
            putBack(lease, state)
        } else {
            state.pointee.length = 0
            strays[lease.shard].append(lease, in: space)
            strayCount &+= 1
        }
    }

    /// Releases every lease of `queue`, which is empty afterwards.
    @inlinable public mutating func releaseAll(_ queue: inout LeaseQueue) {
        while true {
            let lease = queue.popFirst(in: space)
            if lease.isNone { return }
            release(lease)
        }
    }

    /// Removes from `strays` the chain of leases that belong to `shard`. Returns its first lease, for the caller to
    /// send to that shard, or `Lease.none` if the chain is empty.
    @inlinable public mutating func takeStrays(of shard: Int) -> Lease {
        var lease = strays[shard].head
        let head = lease
        while !lease.isNone {
            strayCount &-= 1
            lease = space.state(of: lease).pointee.next
        }
        strays[shard] = LeaseQueue()
        return head
    }

    /// Puts the leases of a chain back on `strays`: the caller got the chain from `takeStrays` and could not send it.
    public mutating func keepStrays(_ head: Lease, of shard: Int) {
        var lease = head
        while !lease.isNone {
            let next = space.state(of: lease).pointee.next
            strays[shard].append(lease, in: space)
            strayCount &+= 1
            lease = next
        }
    }

    /// Frees buffers of this pool, which another shard sent as a chain from its `strays`.
    @inlinable public mutating func acceptHome(_ head: Lease) {
        var lease = head
        while !lease.isNone {
            precondition(lease.shard == shard, "a buffer was sent to a pool that is not its own")
            let state = space.state(of: lease)
            let next = state.pointee.next
            putBack(lease, state)
            lease = next
        }
    }
}
