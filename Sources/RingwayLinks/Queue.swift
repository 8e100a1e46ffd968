public import CRingway
internal import Glibc
internal import RingwayReactor
public import RingwayRing
public import RingwayStorage
internal import RingwayWire

/// One lane of a link, driven by one shard's ring: where every read brings one frame, they are read into leased buffers,
/// by a multishot read where the kernel has it and by several single reads where not. On a device they are written from
/// wherever they lie.
public struct Queue: ~Copyable {
    /// What a completed read brought.
    public enum ReadResult {
        /// A frame of so many bytes at the start of the buffer; the lease is the receiver's.
        case frame(Lease, length: Int)
        /// No buffer was left. The read is armed again when one has come back: at once would only fail again.
        case starved
        /// Nothing, and nothing to do.
        case nothing
        /// The link is gone; said once, however many reads find out.
        case lost(errno: Int32)
    }

    /// Reads in flight where the kernel has no multishot read.
    private static var singleReads: Int { 8 }

    public let descriptor: Int32
    private var buffers: LeaseRing
    private let isMultishot: Bool
    /// Datagrams are received, not read, and room is left for the virtio-net header that they lack.
    private let isSocket: Bool
    /// Reads that the kernel has: one when multishot.
    private var armed = 0
    private var isLost = false

    /// - Parameters:
    ///   - ring: the shard's.
    ///   - framing: a stream is nothing to this queue but a descriptor.
    ///   - buffers: how many buffers the kernel may fill ahead of us.
    ///   - group: the number by which the ring knows them.
    ///   - isMultishot: whether to use IORING_OP_READ_MULTISHOT.
    public init(
        _ descriptor: Int32, _ ring: inout Ring, _ framing: Link.Framing = .device, buffers: Int, group: UInt16,
        isMultishot: Bool
    ) throws(RingError) {
        self.buffers = try LeaseRing(
            &ring, capacity: buffers, least: buffers, group: group,
            headroom: framing == .datagram ? VirtioNetHeader.length : 0, reserve: 0)
        self.descriptor = descriptor
        self.isMultishot = isMultishot
        isSocket = framing == .datagram
    }

    /// Buffers that the kernel may fill now.
    public var available: Int { buffers.available }

    /// Puts buffers where the kernel finds them and arms what is not armed.
    public mutating func refill(
        _ ring: inout Ring, from pool: UnsafeMutablePointer<BufferPool>, _ tag: OperationTag
    ) {
        guard buffers.refill(from: pool), !isLost else { return }
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

    /// Takes a read's completion; a buffer that it brought nothing in goes back to `pool`.
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
        // A single read keeps its buffer when there is nothing more to read, a multishot one does not.
        if completion.hasBuffer { pool.pointee.release(buffers.take(completion.bufferIdentifier)) }
        switch -completion.result {
        case ENOBUFS: return .starved
        case EAGAIN, EINTR, ECANCELED: return .nothing
        // An empty datagram is no frame, and no end either.
        case 0 where isSocket: return .nothing
        // No frame is empty: the other end is closed. A TAP that is deleted gives EBADFD.
        case 0: return lose(ENODEV)
        case let error: return lose(error)
        }
    }

    private mutating func lose(_ error: Int32) -> ReadResult {
        guard !isLost else { return .nothing }
        isLost = true
        return .lost(errno: error)
    }

    /// Whether the kernel has no read of ours; `refill` mends it.
    public var isIdle: Bool { isMultishot ? armed == 0 : armed < Self.singleReads / 2 }

    /// Writes a frame that lies in one piece. It must stay in place until the completion.
    @inline(__always)
    public func write(
        _ ring: inout Ring, _ frame: UnsafeMutableRawPointer, length: UInt32, _ tag: OperationTag
    ) {
        ring.write(descriptor, frame, length: length, tag)
    }

    /// Writes a frame that lies in two pieces; `slices` too must stay in place.
    public func write(_ ring: inout Ring, _ slices: UnsafeMutablePointer<iovec>, _ tag: OperationTag) {
        ring.write(descriptor, slices, count: 2, tag)
    }
}
