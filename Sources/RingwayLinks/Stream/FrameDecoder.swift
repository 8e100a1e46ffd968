public import RingwayModel
public import RingwayStorage
internal import RingwayWire

/// Splits a byte stream into frames, each in a leased buffer that starts with a virtio-net header.
///
/// The decoder makes no system calls. The caller receives into `room`, reports the number of bytes to `received`, and
/// calls `next` until there is no complete frame. Bytes are received into a staging area, many frames at a time, and
/// each frame is copied into a buffer that fits its size. If a frame needs a large buffer and is incomplete, its
/// missing bytes are received directly into that buffer, together with the next frame's length and no more. Of
/// consecutive super-frames, usually only the start of the first is therefore copied.
///
/// An invalid length ends the stream, because the start of the next frame is unknown.
public struct FrameDecoder: ~Copyable {
    /// The result of `next`.
    public enum Outcome {
        /// A frame of `length` bytes, virtio-net header first; the receiver owns the lease.
        case frame(Lease, length: Int)
        /// More bytes must be received first.
        case incomplete
        /// No buffer was available. The caller calls `next` again when a buffer has been released, and receives
        /// nothing until then.
        case starved
        /// An invalid length. All further calls return the same.
        case malformed(length: Int)
    }

    private let framing: StreamFraming
    private let lengths: ClosedRange<Int>
    private let staging: UnsafeMutableRawPointer
    private let capacity: Int
    /// The range of bytes in `staging` that are received but not decoded.
    private var start = 0
    private var end = 0
    /// The buffer into which a long frame's missing bytes are received, the number of bytes that it already contains,
    /// and the frame's length.
    private var direct = Lease.none
    private var directFilled = 0
    private var directLength = 0

    public init(_ framing: StreamFraming) throws(MemoryFailure) {
        // The staging area is small for agents: their links carry super-frames, and the part of a super-frame that is
        // received into the staging area must be copied.
        let capacity = framing == .agent ? 16 << 10 : 64 << 10
        staging = try .allocateOrThrow(byteCount: capacity, alignment: 4_096)
        self.capacity = capacity
        self.framing = framing
        lengths = framing.lengths
    }

    deinit { staging.deallocate() }

    /// Where to receive the next bytes. Valid until `next` is called, and never empty after `next` returned
    /// `incomplete`.
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

    /// `count` bytes were received into `room`.
    public mutating func received(_ count: Int) {
        if direct.isNone { end += count } else { directFilled += count }
    }

    /// The next frame, if it is complete.
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
        // The bytes after the frame are the next frame's length, or part of it.
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

    /// Discards all bytes that are not decoded. Returns whether there were any. If so, and the stream has ended, it
    /// ended inside a frame.
    public mutating func discard(_ pool: UnsafeMutablePointer<BufferPool>) -> Bool {
        let isPartial = !direct.isNone || end > start
        if !direct.isNone { pool.pointee.release(direct) }
        direct = .none
        start = 0
        end = 0
        return isPartial
    }
}
