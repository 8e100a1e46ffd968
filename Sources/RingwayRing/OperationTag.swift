/// Everything needed to route a completion, in the 64 bits that the kernel carries for us (`io_uring_sqe.user_data`):
/// no allocation, no table of closures.
///
///     63      56 55      48 47          32 31                    0
///     +---------+----------+--------------+----------------------+
///     |  kind   |  detail  |  generation  |        index         |
///     +---------+----------+--------------+----------------------+
///
/// `generation` tells a live index from its previous tenant, so that a completion which arrives after a close is
/// recognised and not misdelivered.
@frozen
public struct OperationTag: BitwiseCopyable, Equatable, Sendable {
    public var rawValue: UInt64

    @inlinable public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// - Parameters:
    ///   - kind: chosen by the owner of the ring; zero is left to the ring itself.
    ///   - detail: eight bits for the owner.
    @inlinable public init(kind: UInt8, detail: UInt8 = 0, generation: UInt16 = 0, index: UInt32) {
        rawValue =
            UInt64(kind) << 56 | UInt64(detail) << 48 | UInt64(generation) << 32 | UInt64(index)
    }

    @inlinable public var kind: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 56) }
    @inlinable public var detail: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 48) }
    @inlinable public var generation: UInt16 { UInt16(truncatingIfNeeded: rawValue >> 32) }
    @inlinable public var index: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
}

/// The kernel's verdict on one operation.
@frozen
public struct Completion: BitwiseCopyable, Sendable {
    public var tag: OperationTag
    /// Bytes moved, an accepted descriptor, or a negated `errno`.
    public var result: Int32
    public var flags: UInt32

    @inlinable public init(tag: OperationTag, result: Int32, flags: UInt32) {
        self.tag = tag
        self.result = result
        self.flags = flags
    }

    /// A multishot operation goes on after this completion.
    @inlinable public var hasMore: Bool { flags & 2 != 0 }
    /// The socket had more to give than the operation took (IORING_CQE_F_SOCK_NONEMPTY, Linux 5.19); never set by the emulation.
    @inlinable public var leavesMore: Bool { flags & 4 != 0 }
    /// The kernel took a buffer from the operation's buffer ring.
    @inlinable public var hasBuffer: Bool { flags & 1 != 0 }
    /// Which buffer it took.
    @inlinable public var bufferIdentifier: UInt16 { UInt16(truncatingIfNeeded: flags >> 16) }
}
