internal import RingwayReactor
internal import RingwayStorage

/// Frames of neighbours that are queued for the guest's link, normally in the buffers in which they were posted.
///
/// In each turn they are sent after all other frames for the guest, and in limited batches (`NeighborBudget`). When
/// the queue is full, the caller drops further frames: a guest that does not read must not block others or pin many
/// of the shard's buffers.
struct NeighborInbox {
    /// The most frames in the queue, and the most of them in large buffers.
    static var frameLimit: Int { 1_024 }
    static var largeLimit: Int { 128 }
    /// If this many large buffers are queued, frames that fit a small buffer are copied to one, to free the large one.
    private static var copyFrom: Int { 16 }

    private var frames = LeaseQueue()
    private var count = 0
    private var largeCount = 0
    private var budget = NeighborBudget()
    /// Whether the link was quiet when frames were last taken.
    private var wasQuiet = true

    var isEmpty: Bool { count == 0 }

    /// The next time at which frames may be taken; `nil` if the queue is empty.
    func deadline(now: UInt64) -> UInt64? { isEmpty ? nil : wasQuiet ? now : budget.nextLot }

    /// The link counts as quiet if it holds at most this many bytes.
    var quietBytes: Int { budget.quietBytes }

    /// Queues a frame that starts at its buffer's first byte. False if the queue is full or the guest has used up its
    /// share of large buffers; the caller then keeps the lease.
    mutating func append(_ frame: Lease, length: Int, _ pool: UnsafeMutablePointer<BufferPool>) -> Bool {
        guard count < Self.frameLimit else { return false }
        pool.pointee.charge(frame)
        var lease = frame
        if !frame.isSmall, largeCount >= Self.copyFrom, length <= BufferSpace.smallSize {
            let copy = pool.pointee.lease(.small)
            if !copy.isNone {
                let space = pool.pointee.space
                space.address(of: copy).copyMemory(from: space.address(of: frame), byteCount: length)
                pool.pointee.release(frame)
                lease = copy
            }
        }
        guard lease.isSmall || largeCount < Self.largeLimit && !pool.pointee.isBeyondShare else { return false }
        pool.pointee.space.state(of: lease).pointee.length = UInt32(length)
        frames.append(lease, in: pool.pointee.space)
        count += 1
        if !lease.isSmall { largeCount += 1 }
        budget.note(bytes: length)
        return true
    }

    /// The number of frames that may be taken now.
    mutating func grant(isLinkQuiet: Bool, now: UInt64) -> Int {
        wasQuiet = isLinkQuiet
        return budget.frames(isLinkQuiet: isLinkQuiet, now: now)
    }

    /// The oldest frame; `none` if the queue is empty.
    mutating func popFirst(in space: BufferSpace) -> Lease {
        let lease = frames.popFirst(in: space)
        guard !lease.isNone else { return .none }
        count -= 1
        if !lease.isSmall { largeCount -= 1 }
        return lease
    }
}
