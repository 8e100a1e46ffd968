/// Ownership of one buffer of a pool, as 32 bits that fit in tables and in the `user_data` of an io_uring operation.
///
/// The holder of a lease must pass it on or release it. The tables that store leases are raw memory, where Swift's
/// types cannot express ownership; `BufferPool` therefore counts references and traps on an excess release.
///
///     31      24  23   22                    0
///     +---------+----+-----------------------+
///     |  shard  |kind|         slot          |
///     +---------+----+-----------------------+
@frozen
public struct Lease: Hashable, Sendable, BitwiseCopyable {
    /// The two sizes of buffer.
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// Holds a TSO or USO segment of up to 64 KiB with all its headers.
        case large = 0
        /// Holds a frame at MTU 1500. Short payloads are copied into such a buffer (copybreak).
        case small = 1
    }

    public let rawValue: UInt32

    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    @inlinable init(shard: Int, kind: Kind, slot: UInt32) {
        rawValue = UInt32(truncatingIfNeeded: shard) << 24 | UInt32(kind.rawValue) << 23 | slot
    }

    /// The value that stands for "no buffer". A `Lease?` would take more than the 32 bits of a `Lease`.
    @inlinable public static var none: Lease { Lease(rawValue: .max) }

    @inlinable public var isNone: Bool { rawValue == .max }
    /// The shard whose pool the buffer comes from and returns to.
    @inlinable public var shard: Int { Int(rawValue >> 24) }
    @inlinable public var isSmall: Bool { rawValue & 0x80_0000 != 0 }
    @inlinable public var slot: Int { Int(rawValue & 0x7F_FFFF) }
}

/// Metadata of a leased buffer, stored outside of the buffer. A queue of leases is a chain through `next`, so it
/// needs no nodes of its own.
@frozen
public struct LeaseState: BitwiseCopyable {
    /// The reference count: one for the holder of the lease, and one for each write or send in flight.
    public var holds: UInt32 = 0
    public var next: Lease = .none
    /// The offset of the payload from the start of the buffer, in bytes.
    public var offset: UInt32 = 0
    /// Bytes of payload.
    public var length: UInt32 = 0
    /// The TCP sequence number of the first byte of payload.
    public var sequence: UInt32 = 0
    /// A second buffer, which is written after this one by the same operation and released with it, or `none`.
    public var attached: Lease = .none
    /// While the buffer is being sent to the name service, the handle of the DNS query in it.
    public var query = Handle(slot: 0, generation: 0)
    /// The number of the guest to which the buffer is charged; zero for the shard itself (`BufferPool.owner`).
    public var owner: UInt16 = 0

    @inlinable public init() {}

    /// Resets the state of a newly leased buffer, except for `owner`, which the caller sets, and `query`, which is used
    /// only in messages to the name service.
    @inlinable @inline(__always) mutating func begin() {
        holds = 1
        next = .none
        offset = 0
        length = 0
        sequence = 0
        attached = .none
    }
}

/// A FIFO chain of leases, with a count of their payload bytes.
@frozen
public struct LeaseQueue: BitwiseCopyable {
    public var head: Lease = .none
    public var tail: Lease = .none
    /// Bytes of payload on the whole chain.
    public var bytes: Int = 0

    @inlinable public init() {}
    @inlinable public var isEmpty: Bool { head.isNone }

    /// Appends `lease`; its state's `length` must be set.
    @inlinable @inline(__always) public mutating func append(_ lease: Lease, in space: BufferSpace) {
        let state = space.state(of: lease)
        state.pointee.next = .none
        if tail.isNone { head = lease } else { space.state(of: tail).pointee.next = lease }
        tail = lease
        bytes &+= Int(state.pointee.length)
    }

    /// Removes and returns the first lease; `Lease.none` if the queue is empty.
    @inlinable @inline(__always) public mutating func popFirst(in space: BufferSpace) -> Lease {
        let first = head
        guard !first.isNone else { return .none }
        let state = space.state(of: first)
        head = state.pointee.next
        if head.isNone { tail = .none }
        bytes &-= Int(state.pointee.length)
        state.pointee.next = .none
        return first
    }
}
