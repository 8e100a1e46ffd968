/// The buffers of every shard as one address space: a lease names memory wherever it travels.
///
/// Filled in before the shards start and read-only from then on.
@frozen
public struct BufferSpace: @unchecked Sendable {
    // Sendable: the table is written before any shard runs and never after, and the memory a lease names belongs to
    // the lease's holder alone.

    @frozen @usableFromInline struct Region: BitwiseCopyable {
        @usableFromInline var large: UnsafeMutableRawPointer
        @usableFromInline var small: UnsafeMutableRawPointer
        @usableFromInline var largeStates: UnsafeMutablePointer<LeaseState>
        @usableFromInline var smallStates: UnsafeMutablePointer<LeaseState>
    }

    /// Bytes in a large buffer: a virtio-net header, an ethernet header, 64 KiB of IP, and room for the headroom that
    /// the receiving side of the host puts before a payload; a multiple of the page size.
    public static var largeSize: Int { 69_632 }
    /// Bytes in a small buffer.
    public static var smallSize: Int { 2_048 }
    /// The most shards that a lease can name.
    public static var maximumShards: Int { 64 }

    @usableFromInline let regions: UnsafeMutablePointer<Region>
    public let shards: Int
    public let largeCount: Int
    public let smallCount: Int

    /// Reserves address space for `shards` pools. Pages are touched only when a buffer is first leased.
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

    /// Gives the memory back. No lease may be in use any more.
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

    /// The payload that the lease's state describes.
    @inlinable @inline(__always) public func payload(of lease: Lease) -> UnsafeMutableRawPointer {
        address(of: lease) + Int(state(of: lease).pointee.offset)
    }
}

/// One shard's buffers: two sizes, a fixed number of each, the last one given back is the first one handed out.
///
/// Only its shard's thread touches a pool, so nothing here is atomic. Running dry is an expected condition: `lease`
/// answers `Lease.none` and the caller applies back-pressure. A buffer that belongs to another shard is collected on a
/// chain per home shard, which the engine sends home once a turn.
public struct BufferPool: ~Copyable {
    public let space: BufferSpace
    public let shard: Int

    @usableFromInline var large: FreeList
    @usableFromInline var small: FreeList
    /// Leases to send home, one chain per shard.
    @usableFromInline let strays: UnsafeMutablePointer<LeaseQueue>
    /// How many leases wait on all chains of `strays`.
    public var strayCount = 0

    @frozen @usableFromInline struct FreeList {
        @usableFromInline let slots: UnsafeMutablePointer<UInt32>
        @usableFromInline var count = 0
        /// Slots from here on were never leased, and their pages never touched.
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

    public init(space: BufferSpace, shard: Int) throws(MemoryFailure) {
        precondition(shard < space.shards)
        var blocks = MemoryBlocks()
        let largeSlots = try blocks.apart(space.largeCount, of: UInt32.self)
        let smallSlots = try blocks.apart(space.smallCount, of: UInt32.self)
        let strays = try blocks.apart(space.shards, of: LeaseQueue.self)
        blocks.keep()
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
    }

    @inlinable public var largeAvailable: Int { large.available }
    @inlinable public var smallAvailable: Int { small.available }
    /// Large buffers run short: what has to be kept is copied into small ones, so that frames from the guest, the
    /// acknowledgements among them, always find a large one.
    @inlinable public var isPressed: Bool { largeAvailable < space.largeCount / 2 }
    /// Buffers of both sizes that are leased now.
    public var leased: Int { space.largeCount + space.smallCount - large.available - small.available }

    /// Takes a buffer out, held once, or answers `Lease.none` when all are in use.
    @inlinable @inline(__always) public mutating func lease(_ kind: Lease.Kind) -> Lease {
        let taken: UInt32?
        switch kind {
        case .large: taken = large.pop()
        case .small: taken = small.pop()
        }
        guard let slot = taken else { return .none }
        let lease = Lease(shard: shard, kind: kind, slot: slot)
        let state = space.state(of: lease)
        state.initialize(to: LeaseState())
        state.pointee.holds = 1
        return lease
    }

    /// A small buffer when `bytes` fit one, else (or when those are used up) a large one.
    @inlinable @inline(__always) public mutating func lease(fitting byteCount: Int) -> Lease {
        if byteCount <= BufferSpace.smallSize {
            let lease = lease(.small)
            if !lease.isNone { return lease }
        }
        return lease(.large)
    }

    /// Adds a holder, for example a write that the kernel still has to make.
    @inlinable @inline(__always) public func hold(_ lease: Lease) { space.state(of: lease).pointee.holds &+= 1 }

    /// Ends one hold; with the last one the buffer goes back to its pool.
    @inlinable public mutating func release(_ lease: Lease) {
        let state = space.state(of: lease)
        precondition(state.pointee.holds > 0, "a buffer was released more often than held")
        state.pointee.holds &-= 1
        guard state.pointee.holds == 0 else { return }
        if lease.shard == shard {
            if lease.isSmall { small.push(UInt32(lease.slot)) } else { large.push(UInt32(lease.slot)) }
        } else {
            state.pointee.length = 0
            strays[lease.shard].append(lease, in: space)
            strayCount &+= 1
        }
    }

    /// Releases every lease on the chain and empties it.
    @inlinable public mutating func releaseAll(_ queue: inout LeaseQueue) {
        while true {
            let lease = queue.popFirst(in: space)
            if lease.isNone { return }
            release(lease)
        }
    }

    /// The chain of leases that belong to `shard`, or `Lease.none`; the caller sends it there.
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

    /// Puts a chain that could not be sent back where `takeStrays` found it.
    public mutating func keepStrays(_ head: Lease, of shard: Int) {
        var lease = head
        while !lease.isNone {
            let next = space.state(of: lease).pointee.next
            strays[shard].append(lease, in: space)
            strayCount &+= 1
            lease = next
        }
    }

    /// Takes back a chain that another shard sent home.
    @inlinable public mutating func acceptHome(_ head: Lease) {
        var lease = head
        while !lease.isNone {
            precondition(lease.shard == shard, "a buffer was sent to a pool that is not its own")
            let next = space.state(of: lease).pointee.next
            if lease.isSmall { small.push(UInt32(lease.slot)) } else { large.push(UInt32(lease.slot)) }
            lease = next
        }
    }
}
