/// The 64 bits of an operation that the kernel returns with its completion (`io_uring_sqe.user_data`). They suffice
/// to route the completion, so that operations need no allocation and no table of closures.
///
///     63      56 55          40 39          24 23                0
///     +---------+--------------+--------------+-----------------+
///     |  kind   |    tenant    |  generation  |      index      |
///     +---------+--------------+--------------+-----------------+
///                                      |         value          |
///                                      31                       0
///
/// `generation` tells apart the objects that have used the same index, so that a completion that arrives after a close
/// is recognised as stale. A tag without a generation has a 32-bit index, `value`. `tenant` identifies the user of the
/// ring that submitted the operation; the ring writes it (`Ring.tenant`).
@frozen
public struct OperationTag: BitwiseCopyable, Equatable, Sendable {
    public var rawValue: UInt64

    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// - Parameters:
    ///   - kind: chosen by the owner of the ring; zero is reserved for the ring itself.
    ///   - index: less than 2^24.
    @inlinable public init(kind: UInt8, generation: UInt16 = 0, index: UInt32) {
        precondition(index <= 0xFF_FFFF, "an index of an operation has 24 bits")
        rawValue = UInt64(kind) << 56 | UInt64(generation) << 24 | UInt64(index)
    }

    /// A tag without a generation.
    @inlinable public init(kind: UInt8, value: UInt32) { rawValue = UInt64(kind) << 56 | UInt64(value) }

    @inlinable public var kind: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 56) }
    @inlinable public var tenant: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 40) }
    @inlinable public var generation: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 24) }
    @inlinable public var index: UInt32 { UInt32(truncatingIfNeeded: rawValue) & 0xFF_FFFF }
    @inlinable public var value: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

    /// The tag's bits for a tenant.
    @inlinable static func bits(ofTenant tenant: UInt16) -> UInt64 { UInt64(tenant) << 40 }
}

/// A completion of an operation (`struct io_uring_cqe`).
@frozen
public struct Completion: BitwiseCopyable, Sendable {
    public var tag: OperationTag
    /// The operation's result, such as bytes moved, an accepted descriptor or a poll's events; or a negated `errno`.
    public var result: Int32
    public var flags: UInt32

    @inlinable public init(tag: OperationTag, result: Int32, flags: UInt32) {
        self.tag = tag
        self.result = result
        self.flags = flags
    }

    /// Whether the multishot operation continues after this completion.
    @inlinable public var hasMore: Bool { flags & 2 != 0 }
    /// Whether the socket has more data than the operation took (IORING_CQE_F_SOCK_NONEMPTY, Linux 5.19). Always
    /// false on epoll.
    @inlinable public var leavesMore: Bool { flags & 4 != 0 }
    /// Whether the kernel took a buffer from the operation's buffer ring.
    @inlinable public var hasBuffer: Bool { flags & 1 != 0 }
    /// The identifier of the buffer that the kernel took.
    @inlinable public var bufferIdentifier: UInt16 { UInt16(truncatingIfNeeded: flags >> 16) }
}
