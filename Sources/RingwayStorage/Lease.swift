/// Sole ownership of one pooled buffer, as a value that fits a table or an operation tag.
///
/// The holder of a lease must hand it on or release it. The tables that keep leases are raw memory, where Swift cannot
/// express ownership in the type; `BufferPool` therefore counts holds and traps on a release too many.
///
///     31      24  23   22                    0
///     +---------+----+-----------------------+
///     |  shard  |kind|         slot          |
///     +---------+----+-----------------------+
@frozen
public struct Lease: Hashable, Sendable, BitwiseCopyable {
    /// The two sizes of buffer.
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// Holds a super-frame with all its headers.
        case large = 0
        /// Holds a frame of an ordinary MTU; what the copybreak copies into.
        case small = 1
    }

    public let rawValue: UInt32

    @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }

    @inlinable init(shard: Int, kind: Kind, slot: UInt32) {
        rawValue = UInt32(truncatingIfNeeded: shard) << 24 | UInt32(kind.rawValue) << 23 | slot
    }

    /// Stands for "no buffer" where an optional would cost a word.
    @inlinable public static var none: Lease { Lease(rawValue: .max) }

    @inlinable public var isNone: Bool { rawValue == .max }
    /// The shard whose pool the buffer comes from and returns to.
    @inlinable public var shard: Int { Int(rawValue >> 24) }
    @inlinable public var isSmall: Bool { rawValue & 0x80_0000 != 0 }
    @inlinable public var slot: Int { Int(rawValue & 0x7F_FFFF) }
}

/// What the lease's holder remembers about the bytes in its buffer, kept beside the pool so that a queue of leases
/// needs no nodes of its own: every queue in Ringway is a chain through `next`.
@frozen
public struct LeaseState: BitwiseCopyable {
    /// How many holders: the queue it rests on, and each write in the kernel's hands.
    public var holds: UInt32 = 0
    public var next: Lease = .none
    /// Where the payload starts, in bytes from the buffer's first.
    public var offset: UInt32 = 0
    /// Bytes of payload.
    public var length: UInt32 = 0
    /// The TCP sequence number of the first byte of payload.
    public var sequence: UInt32 = 0
    /// A second buffer that is written together with this one and released after it, or `none`.
    public var attached: Lease = .none
    /// The DNS query that a message in the kernel's hands belongs to.
    public var query = Handle(slot: 0, generation: 0)

    @inlinable public init() {}

    /// The buffer is leased: what it was used for before is forgotten, but for the query, which has a meaning in a message
    /// to the name service only.
    @inlinable @inline(__always) mutating func begin() {
        holds = 1
        next = .none
        offset = 0
        length = 0
        sequence = 0
        attached = .none
    }
}

/// A first-in first-out chain of leases, and the bytes of payload on it.
@frozen
public struct LeaseQueue: BitwiseCopyable {
    public var head: Lease = .none
    public var tail: Lease = .none
    /// Bytes of payload on the whole chain.
    public var bytes: Int = 0

    @inlinable public init() {}
    @inlinable public var isEmpty: Bool { head.isNone }

    /// Puts `lease` at the end; its state's `length` must be set.
    @inlinable @inline(__always) public mutating func append(_ lease: Lease, in space: BufferSpace) {
        let state = space.state(of: lease)
        state.pointee.next = .none
        if tail.isNone { head = lease } else { space.state(of: tail).pointee.next = lease }
        tail = lease
        bytes &+= Int(state.pointee.length)
    }

    /// Takes the first lease off.
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
