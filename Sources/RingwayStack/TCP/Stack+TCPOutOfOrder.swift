internal import RingwayStorage
internal import RingwayWire

/// A range of sequence space that a SACK option reports.
struct HeldBlock: BitwiseCopyable {
    var start = SequenceNumber(0)
    var end = SequenceNumber(0)
}

/// Up to three blocks; with the two octets of the option and padding they leave room for nothing else we send.
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

/// Payload that came before its turn: a chain of leases in sequence order without overlap, bounded per connection.
extension Stack {
    /// True when the lease was kept.
    mutating func holdOutOfOrder(_ flow: UnsafeMutablePointer<TCPConnection>, _ arrived: Lease) -> Bool {
        counters.add(.tcpOutOfOrder)
        var lease = arrived
        var kept = true
        let length = Int(space.state(of: arrived).pointee.length)
        // Counted by what is pinned, so that small segments cannot hold the pool.
        let weight = length <= TCPBounds.copybreak ? BufferSpace.smallSize : BufferSpace.largeSize
        guard Int(flow.pointee.outOfOrderOctets) &+ weight <= configuration.limits.outOfOrderOctetsPerFlow else {
            counters.add(.tcpOutOfOrderDropped)
            return false
        }
        if length > TCPBounds.copybreak, isPressed {
            counters.add(.tcpOutOfOrderDropped)
            return false
        }
        if length <= TCPBounds.copybreak, !arrived.isSmall {
            let small = pool.pointee.lease(.small)
            guard !small.isNone else {
                counters.add(.tcpOutOfOrderDropped)
                return false
            }
            space.address(of: small).copyMemory(from: space.payload(of: arrived), byteCount: length)
            let from = space.state(of: arrived)
            let to = space.state(of: small)
            to.pointee.length = from.pointee.length
            to.pointee.sequence = from.pointee.sequence
            lease = small
            kept = false
        }
        if insertOutOfOrder(flow, lease) {
            flow.pointee.latestBlock = SequenceNumber(space.state(of: lease).pointee.sequence)
            return kept
        }
        if kept { return false }
        release(lease)
        return false
    }

    private mutating func start(_ lease: Lease) -> SequenceNumber {
        SequenceNumber(space.state(of: lease).pointee.sequence)
    }
    private mutating func end(_ lease: Lease) -> SequenceNumber {
        start(lease).advanced(by: Int(space.state(of: lease).pointee.length))
    }
    private mutating func weight(_ lease: Lease) -> UInt32 { UInt32(space.size(of: lease)) }

    /// Cuts the new block where it overlaps what is held, and chains it. False when nothing new is left.
    private mutating func insertOutOfOrder(_ flow: UnsafeMutablePointer<TCPConnection>, _ lease: Lease) -> Bool {
        let state = space.state(of: lease)
        var previous = Lease.none
        var next = flow.pointee.outOfOrder
        while !next.isNone, !start(lease).precedes(start(next)) {
            previous = next
            next = space.state(of: next).pointee.next
        }
        if !previous.isNone {
            let overlap = Int(end(previous).distance(from: start(lease)))
            if overlap > 0 {
                guard overlap < Int(state.pointee.length) else { return false }
                state.pointee.offset += UInt32(overlap)
                state.pointee.length -= UInt32(overlap)
                state.pointee.sequence &+= UInt32(overlap)
            }
        }
        while !next.isNone {
            let overlap = Int(end(lease).distance(from: start(next)))
            guard overlap > 0 else { break }
            if !end(lease).precedes(end(next)) {
                // The new block covers the old one whole.
                let following = space.state(of: next).pointee.next
                flow.pointee.outOfOrderOctets -= weight(next)
                release(next)
                next = following
                continue
            }
            guard overlap < Int(state.pointee.length) else { return relink(flow, previous, next) }
            state.pointee.length -= UInt32(overlap)
            break
        }
        state.pointee.next = next
        _ = relink(flow, previous, lease)
        flow.pointee.outOfOrderOctets += weight(lease)
        return true
    }

    /// Chains `lease` behind `previous`; answers false so that a refusal can end with it.
    private mutating func relink(_ flow: UnsafeMutablePointer<TCPConnection>, _ previous: Lease, _ lease: Lease) -> Bool
    {
        if previous.isNone {
            flow.pointee.outOfOrder = lease
        } else {
            space.state(of: previous).pointee.next = lease
        }
        return false
    }

    /// Parks what has become contiguous.
    mutating func parkContiguous(_ flow: UnsafeMutablePointer<TCPConnection>) {
        while !flow.pointee.outOfOrder.isNone {
            let lease = flow.pointee.outOfOrder
            let state = space.state(of: lease)
            let overlap = Int(flow.pointee.rcvNxt.distance(from: start(lease)))
            guard overlap >= 0 else { return }
            flow.pointee.outOfOrder = state.pointee.next
            flow.pointee.outOfOrderOctets -= weight(lease)
            state.pointee.next = .none
            guard overlap < Int(state.pointee.length) else {
                release(lease)
                continue
            }
            state.pointee.offset += UInt32(overlap)
            state.pointee.length -= UInt32(overlap)
            state.pointee.sequence &+= UInt32(overlap)
            if !park(flow, lease) { release(lease) }
        }
    }

    mutating func discardOutOfOrder(_ flow: UnsafeMutablePointer<TCPConnection>) {
        while !flow.pointee.outOfOrder.isNone {
            let lease = flow.pointee.outOfOrder
            flow.pointee.outOfOrder = space.state(of: lease).pointee.next
            release(lease)
        }
        flow.pointee.outOfOrderOctets = 0
    }

    /// What to report by SACK: the block that arrived last first, then the others (RFC 2018 §4).
    mutating func outOfOrderBlocks(_ flow: UnsafeMutablePointer<TCPConnection>) -> HeldBlocks {
        var latest = HeldBlocks()
        var others = HeldBlocks()
        var lease = flow.pointee.outOfOrder
        while !lease.isNone {
            var block = HeldBlock(start: start(lease), end: end(lease))
            var following = space.state(of: lease).pointee.next
            while !following.isNone, start(following) == block.end {
                block.end = end(following)
                following = space.state(of: following).pointee.next
            }
            let size = UInt32(bitPattern: block.end.distance(from: block.start))
            if flow.pointee.latestBlock.isInside(windowStartingAt: block.start, size: size) {
                latest.append(block)
            } else {
                others.append(block)
            }
            lease = following
        }
        for index in 0..<others.count { latest.append(others[index]) }
        return latest
    }
}
