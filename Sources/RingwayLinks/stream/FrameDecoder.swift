public import RingwayStorage
internal import RingwayWire

/// Cuts the bytes of a stream into frames, each at the start of a leased buffer and behind a virtio-net header.
///
/// Sans-I/O: the owner receives into `room`, tells how much came, and takes frames until there is none. Bytes arrive in a
/// staging area, many frames at a time, and each frame is copied into a buffer that fits it. Of a frame that needs a large
/// buffer and has not all arrived, the rest is received right into that buffer, together with the length of the frame
/// behind it and nothing more: so super-frames that follow each other are not copied at all.
///
/// A length that no frame can have ends it: where the next frame begins cannot be known any more.
public struct FrameDecoder: ~Copyable {
    /// What `next` found.
    public enum Outcome {
        /// A frame of so many bytes, virtio-net header first; the lease is the receiver's.
        case frame(Lease, length: Int)
        /// More bytes must be received first.
        case incomplete
        /// No buffer was left; to be asked again when one has come back, and nothing to be received until then.
        case starved
        /// A length that no frame has. It stays so.
        case malformed(length: Int)
    }

    private let framing: StreamFraming
    private let lengths: ClosedRange<Int>
    private let staging: UnsafeMutableRawPointer
    private let capacity: Int
    /// What was received and not yet cut lies between these.
    private var start = 0
    private var end = 0
    /// The buffer that the rest of a long frame is received into; how much of the frame it holds, and the frame's bytes.
    private var direct = Lease.none
    private var directFilled = 0
    private var directLength = 0

    public init(_ framing: StreamFraming) throws(MemoryFailure) {
        // Short where super-frames come, because the part of one that gets in here is copied.
        let capacity = framing == .agent ? 16 << 10 : 64 << 10
        staging = try .allocateOrThrow(byteCount: capacity, alignment: 4_096)
        self.capacity = capacity
        self.framing = framing
        lengths = framing.lengths
    }

    deinit { staging.deallocate() }

    /// Where the next bytes belong; valid until `next` is called, and never empty after it answered `incomplete`.
    public mutating func room(in space: BufferSpace) -> UnsafeMutableRawBufferPointer {
        if !direct.isNone {
            return UnsafeMutableRawBufferPointer(
                start: space.address(of: direct) + framing.missingHeader + directFilled,
                count: directLength - directFilled + framing.prefixLength)
        }
        if start > 0 {
            staging.copyMemory(from: staging + start, byteCount: end - start)
            end -= start
            start = 0
        }
        return UnsafeMutableRawBufferPointer(start: staging + end, count: capacity - end)
    }

    /// So many bytes have come into `room`.
    public mutating func received(_ count: Int) {
        if direct.isNone { end += count } else { directFilled += count }
    }

    /// The next frame, if it is all there.
    public mutating func next(_ pool: UnsafeMutablePointer<BufferPool>) -> Outcome {
        guard direct.isNone else { return takeDirect(pool) }
        let available = end &- start &- framing.prefixLength
        guard available >= 0 else { return .incomplete }
        let length = framing.readPrefix(staging + start)
        guard lengths.contains(length) else { return .malformed(length: length) }
        let frame = staging + (start &+ framing.prefixLength)
        let header = framing.missingHeader
        if available >= length {
            let lease = pool.pointee.lease(fitting: header &+ length)
            guard !lease.isNone else { return .starved }
            (pool.pointee.space.address(of: lease) + header).copyMemory(from: frame, byteCount: length)
            start &+= framing.prefixLength &+ length
            return finish(lease, length, pool.pointee.space)
        }
        guard header &+ length > BufferSpace.smallSize else { return .incomplete }
        let lease = pool.pointee.lease(.large)
        guard !lease.isNone else { return .starved }
        (pool.pointee.space.address(of: lease) + header).copyMemory(from: frame, byteCount: available)
        direct = lease
        directFilled = available
        directLength = length
        start = 0
        end = 0
        return .incomplete
    }

    private mutating func takeDirect(_ pool: UnsafeMutablePointer<BufferPool>) -> Outcome {
        guard directFilled >= directLength else { return .incomplete }
        let lease = direct
        let space = pool.pointee.space
        direct = .none
        // What lies behind the frame is the next one's length, or a part of it.
        end = directFilled - directLength
        staging.copyMemory(
            from: space.address(of: lease) + framing.missingHeader + directLength, byteCount: end)
        return finish(lease, directLength, space)
    }

    @inline(__always)
    private func finish(_ lease: Lease, _ length: Int, _ space: BufferSpace) -> Outcome {
        let header = framing.missingHeader
        if header > 0 { VirtioNetFields().write(to: space.address(of: lease)) }
        return .frame(lease, length: header &+ length)
    }

    /// The stream has ended; true when it did in the middle of a frame, which is discarded.
    public mutating func discard(_ pool: UnsafeMutablePointer<BufferPool>) -> Bool {
        let isPartial = !direct.isNone || end > start
        if !direct.isNone { pool.pointee.release(direct) }
        direct = .none
        start = 0
        end = 0
        return isPartial
    }
}
