internal import RingwayReactor
internal import RingwayStorage

/// Frames of neighbours that wait for the guest's link, in their buffers.
///
/// They come behind all that a turn has for the guest, and only so many at a time (`NeighborBudget`). What does not fit is
/// the caller's to drop: a guest that does not read holds up no other, and pins few of the shard's buffers.
struct NeighborInbox {
    /// Frames that may wait, and how many of them in large buffers.
    static var frameLimit: Int { 1_024 }
    static var largeLimit: Int { 128 }
    /// From so many large buffers on, frames that fit a small one are copied to one.
    private static var copyFrom: Int { 16 }

    private var frames = LeaseQueue()
    private var count = 0
    private var largeCount = 0
    private var budget = NeighborBudget()
    /// Whether the link had little to carry when frames were taken last.
    private var wasQuiet = true

    var isEmpty: Bool { count == 0 }

    /// When frames that had to stay may be taken; `nil` when there are none.
    func deadline(now: UInt64) -> UInt64? { isEmpty ? nil : wasQuiet ? now : budget.nextLot }

    /// Bytes that the link may hold and still count as quiet.
    var quietBytes: Int { budget.quietBytes }

    /// Takes a frame that starts at its buffer's first byte; false when there is no room for it, and the lease is the
    /// caller's still.
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

    /// How many frames may be taken now.
    mutating func grant(isLinkQuiet: Bool, now: UInt64) -> Int {
        wasQuiet = isLinkQuiet
        return budget.frames(isLinkQuiet: isLinkQuiet, now: now)
    }

    /// The frame that has waited longest; `none` when there is none.
    mutating func popFirst(in space: BufferSpace) -> Lease {
        let lease = frames.popFirst(in: space)
        guard !lease.isNone else { return .none }
        count -= 1
        if !lease.isSmall { largeCount -= 1 }
        return lease
    }
}
