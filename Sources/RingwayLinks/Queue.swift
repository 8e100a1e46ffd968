public import CRingway
internal import Glibc
public import RingwayModel
internal import RingwayReactor
public import RingwayRing
public import RingwayStorage
public import RingwaySystem
internal import RingwayWire

/// One queue of a link, driven by one shard's ring. On a device or a datagram socket each read returns one frame in a
/// leased buffer: by a multishot read if the kernel supports it, otherwise by several single-shot reads in flight.
/// Frames to a device are written from their own buffers.
public struct Queue: ~Copyable {
    /// The result of a completed read.
    public enum ReadResult {
        /// A frame of `length` bytes. It is at the start of the buffer, or on a datagram socket behind free space for
        /// a virtio-net header. The receiver owns the lease.
        case frame(Lease, length: Int)
        /// No buffer was available. `refill` arms the read again when a buffer has been released; armed at once, the
        /// read would fail again.
        case starved
        /// The completion brings neither a frame nor a new failure of the link.
        case nothing
        /// The link has failed; reported once, although several reads may fail.
        case lost(errno: Int32)
    }

    /// How many single-shot reads are kept in flight if the kernel has no multishot read.
    private static var singleReads: Int { 8 }

    public let descriptor: Int32
    private var buffers: LeaseRing
    private let isMultishot: Bool
    /// The queue is a datagram socket: recv puts each frame behind free space for a virtio-net header.
    private let isSocket: Bool
    /// Reads in flight; at most one if multishot.
    private var armed = 0
    private var isLost = false

    /// A queue from which nothing is read yet. Call `register` before `refill`.
    ///
    /// - Parameters:
    ///   - framing: the framing of the link. For a stream, the queue only stores the descriptor.
    ///   - buffers: the number of buffers that the kernel may fill in advance.
    ///   - group: the buffer group ID, by which operations refer to the buffers.
    ///   - isMultishot: whether to use IORING_OP_READ_MULTISHOT.
    public init(
        _ descriptor: Int32, _ framing: Link.Framing = .device, buffers: Int, group: UInt16, isMultishot: Bool
    ) throws(SystemError) {
        self.buffers = try LeaseRing(
            capacity: buffers, least: buffers, group: group,
            headroom: framing == .datagram ? VirtioNetHeader.length : 0, reserve: 0)
        self.descriptor = descriptor
        self.isMultishot = isMultishot
        isSocket = framing == .datagram
    }

    /// Registers the queue's buffers with the kernel. Called by the thread that drives `ring`.
    public func register(with ring: inout Ring) throws(SystemError) { try buffers.register(with: &ring) }

    /// Unregisters the queue's buffers and releases them. No read may be in flight.
    public mutating func unregister(from ring: inout Ring, _ pool: UnsafeMutablePointer<BufferPool>) {
        buffers.unregister(from: &ring, pool)
    }

    /// Makes `refill` arm no further reads. Reads in flight are not cancelled.
    public mutating func close() { isLost = true }

    /// Buffers available to the kernel.
    public var available: Int { buffers.available }

    /// Provides buffers to the kernel, up to a limit, and arms missing reads.
    public mutating func refill(
        _ ring: inout Ring, from pool: UnsafeMutablePointer<BufferPool>, upTo most: Int = .max, _ tag: OperationTag
    ) {
        buffers.limit = most
        guard !isLost, buffers.refill(from: pool) else { return }
        if isMultishot {
            guard armed == 0 else { return }
            if isSocket {
                ring.receiveMultishot(descriptor, group: buffers.group, tag)
            } else {
                ring.readMultishot(descriptor, group: buffers.group, tag)
            }
            armed = 1
            return
        }
        while armed < Self.singleReads {
            if isSocket {
                let length = UInt32(BufferSpace.largeSize - buffers.headroom)
                ring.receive(descriptor, upTo: length, group: buffers.group, tag)
            } else {
                ring.read(descriptor, upTo: UInt32(BufferSpace.largeSize), group: buffers.group, tag)
            }
            armed += 1
        }
    }

    /// Handles a read's completion; an unused buffer is returned to `pool`.
    public mutating func take(
        _ completion: Completion, _ pool: UnsafeMutablePointer<BufferPool>
    ) -> ReadResult {
        if !completion.hasMore { armed -= 1 }
        guard completion.result <= 0 else {
            guard completion.hasBuffer else { return .nothing }
            return .frame(buffers.take(completion.bufferIdentifier), length: Int(completion.result))
        }
        return takeFailure(completion, pool)
    }

    @inline(never)
    private mutating func takeFailure(
        _ completion: Completion, _ pool: UnsafeMutablePointer<BufferPool>
    ) -> ReadResult {
        // A single-shot read without data still has its buffer, which is released; a multishot read has none.
        if completion.hasBuffer { pool.pointee.release(buffers.take(completion.bufferIdentifier)) }
        switch -completion.result {
        case ENOBUFS: return .starved
        case EAGAIN, EINTR, ECANCELED: return .nothing
        // A datagram socket has no end of file: the result is an empty datagram, which is no frame.
        case 0 where isSocket: return .nothing
        // End of file: the descriptor is a socket in place of a device, and its other end is closed. A deleted TAP
        // device fails with EBADFD instead.
        case 0: return lose(ENODEV)
        case let error: return lose(error)
        }
    }

    private mutating func lose(_ error: Int32) -> ReadResult {
        guard !isLost else { return .nothing }
        isLost = true
        return .lost(errno: error)
    }

    /// Whether fewer reads than needed are in flight; `refill` arms the missing ones.
    public var isIdle: Bool { isMultishot ? armed == 0 : armed < Self.singleReads / 2 }

    /// Writes a frame that is in one piece. It must stay valid until the completion.
    @inline(__always)
    public func write(
        _ ring: inout Ring, _ frame: UnsafeMutableRawPointer, length: UInt32, _ tag: OperationTag
    ) {
        ring.write(descriptor, frame, length: length, tag)
    }

    /// Writes a frame that is in two pieces. The pieces and the array `slices` must stay valid until the completion.
    public func write(_ ring: inout Ring, _ slices: UnsafeMutablePointer<iovec>, _ tag: OperationTag) {
        ring.write(descriptor, slices, count: 2, tag)
    }
}
