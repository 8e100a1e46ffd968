internal import RingwayStorage
internal import RingwayWire

/// A range of sequence space in a SACK option.
struct HeldBlock: BitwiseCopyable, Equatable {
    var start = SequenceNumber(0)
    var end = SequenceNumber(0)
}

/// The blocks of a SACK option, at most three. With the option's kind and length and two bytes of padding they take 28
/// bytes, which together with the timestamp option fills the 40 bytes that TCP has for options.
struct HeldBlocks {
    var count = 0
    private var blocks = InlineArray<3, HeldBlock>(repeating: HeldBlock())

    subscript(index: Int) -> HeldBlock { blocks[index] }

    mutating func append(_ block: HeldBlock) {
        guard count < 3 else { return }
        blocks[count] = block
        count += 1
    }
}

/// Out-of-order payload: a chain of leases in sequence order without overlap. The sequence number of a lease's first
/// byte is in its state's `sequence`.
struct OutOfOrderQueue: BitwiseCopyable {
    private(set) var first = Lease.none
    /// The total size of the queue's buffers in bytes, not of their payload. The queue's limit applies to this size,
    /// because small segments could otherwise use up the pool's buffers.
    private(set) var bytes: UInt32 = 0
    /// The start of the block that was received last, which is reported first (RFC 2018 §4).
    private var latest = SequenceNumber(0)

    @inline(__always) var isEmpty: Bool { first.isNone }

    private func start(_ lease: Lease, _ space: BufferSpace) -> SequenceNumber {
        SequenceNumber(space.state(of: lease).pointee.sequence)
    }

    private func end(_ lease: Lease, _ space: BufferSpace) -> SequenceNumber {
        start(lease, space).advanced(by: Int(space.state(of: lease).pointee.length))
    }

    /// Inserts a block. To avoid overlap, cuts it off at its ends, or releases queued buffers that it covers. False if
    /// all its bytes are queued already; the lease then remains the caller's.
    mutating func insert(_ lease: Lease, _ pool: UnsafeMutablePointer<BufferPool>) -> Bool {
        let space = pool.pointee.space
        let state = space.state(of: lease)
        var previous = Lease.none
        var next = first
        while !next.isNone, !start(lease, space).precedes(start(next, space)) {
            previous = next
            next = space.state(of: next).pointee.next
        }
        if !previous.isNone {
            let overlap = Int(end(previous, space).distance(from: start(lease, space)))
            if overlap > 0 {
                guard overlap < Int(state.pointee.length) else { return false }
                Self.dropFirst(overlap, of: state)
            }
        }
        while !next.isNone {
            let overlap = Int(end(lease, space).distance(from: start(next, space)))
            guard overlap > 0 else { break }
            if !end(lease, space).precedes(end(next, space)) {
                // The new block covers the old one completely.
                let following = space.state(of: next).pointee.next
                bytes -= UInt32(space.size(of: next))
                pool.pointee.release(next)
                next = following
                continue
            }
            guard overlap < Int(state.pointee.length) else {
                link(next, behind: previous, space)
                return false
            }
            state.pointee.length -= UInt32(overlap)
            break
        }
        state.pointee.next = next
        link(lease, behind: previous, space)
        bytes += UInt32(space.size(of: lease))
        latest = start(lease, space)
        return true
    }

    private mutating func link(_ lease: Lease, behind previous: Lease, _ space: BufferSpace) {
        if previous.isNone { first = lease } else { space.state(of: previous).pointee.next = lease }
    }

    private static func dropFirst(_ count: Int, of state: UnsafeMutablePointer<LeaseState>) {
        state.pointee.offset += UInt32(count)
        state.pointee.length -= UInt32(count)
        state.pointee.sequence &+= UInt32(count)
    }

    /// Removes and returns the payload from `position` on, up to the end of its buffer. Bytes before `position` were
    /// received already and are cut off. `none` if the byte at `position` is missing.
    mutating func popContiguous(at position: SequenceNumber, _ pool: UnsafeMutablePointer<BufferPool>) -> Lease {
        let space = pool.pointee.space
        while !first.isNone {
            let lease = first
            let state = space.state(of: lease)
            let overlap = Int(position.distance(from: start(lease, space)))
            guard overlap >= 0 else { return .none }
            first = state.pointee.next
            bytes -= UInt32(space.size(of: lease))
            state.pointee.next = .none
            if overlap < Int(state.pointee.length) {
                Self.dropFirst(overlap, of: state)
                return lease
            }
            pool.pointee.release(lease)
        }
        return .none
    }

    mutating func removeAll(_ pool: UnsafeMutablePointer<BufferPool>) {
        while !first.isNone {
            let lease = first
            first = pool.pointee.space.state(of: lease).pointee.next
            pool.pointee.release(lease)
        }
        bytes = 0
    }

    /// The blocks to report by SACK: the most recently received first, then the others (RFC 2018 §4).
    func blocks(in space: BufferSpace) -> HeldBlocks {
        var reported = HeldBlocks()
        var others = HeldBlocks()
        var lease = first
        while !lease.isNone {
            var block = HeldBlock(start: start(lease, space), end: end(lease, space))
            var following = space.state(of: lease).pointee.next
            while !following.isNone, start(following, space) == block.end {
                block.end = end(following, space)
                following = space.state(of: following).pointee.next
            }
            let size = UInt32(bitPattern: block.end.distance(from: block.start))
            if latest.isInside(windowStartingAt: block.start, size: size) {
                reported.append(block)
            } else {
                others.append(block)
            }
            lease = following
        }
        for index in 0..<others.count { reported.append(others[index]) }
        return reported
    }
}
