/// Checks that the stack's segments of one connection always fulfil these conditions: acknowledgements, timestamps
/// and the window's right edge never move back, data inside the window is acknowledged, and acknowledgements and SACK
/// blocks cover only data that has arrived.
struct FlowObserver {
    /// The guest's initial sequence number, once the stack has acknowledged it.
    private var guestInitial: UInt32?
    private var scale = 0
    private var offeredScale: Int?
    /// The window's right edge and the data that has arrived, as positions in the guest's sequence space; SYN is
    /// position 0.
    private var edge = 0
    private var arrived = ByteRanges()
    /// Like `arrived`, but without segments that the stack may reject because of an old timestamp (PAWS).
    private var fresh = ByteRanges()
    /// The latest timestamp of the guest's segments that start at or before the last acknowledged position, and the
    /// latest timestamp of the stack's segments.
    private var guestStamp: UInt32?
    private var stackStamp: UInt32?
    /// The highest end position of the guest's segments that have reached the stack undamaged.
    private var reach = 0
    private var lastAcknowledged = 0
    /// The position that the next acknowledgement must cover.
    private var due = 1

    private func position(_ sequence: UInt32, _ initial: UInt32) -> Int {
        lastAcknowledged + Int(Int32(bitPattern: sequence &- (initial &+ UInt32(truncatingIfNeeded: lastAcknowledged))))
    }

    /// Notes a segment of the guest that has reached the stack undamaged.
    mutating func noteFromGuest(_ segment: Segment) {
        guard let initial = guestInitial, segment.flags.contains(.ack), !segment.flags.contains(.syn) else { return }
        let start = position(segment.sequence, initial)
        let end = start + segment.extent
        guard start >= 0, start <= edge else { return }
        reach = max(reach, end)
        // Payload beyond the right edge may be dropped, together with a FIN after it.
        let taken = max(1, start)..<max(1, min(end, edge))
        arrived.insert(taken)
        if let stamp = segment.stamp {
            if let guestStamp, Stamp.isEarlier(stamp.value, guestStamp) { return }
            if start <= lastAcknowledged { guestStamp = stamp.value }
        }
        fresh.insert(taken)
    }

    /// Called when the stack has processed the guest's latest frame. The next acknowledgement must cover its data.
    mutating func settle() { due = fresh.contiguousEnd(from: 1) }

    /// Checks a segment of the stack; returns the error or `nil`. With `mayDrop`, data inside the window need not be
    /// acknowledged.
    mutating func noteToGuest(_ segment: Segment, guestScale: Int?, mayDrop: Bool) -> String? {
        if segment.flags.contains(.rst) {
            self = FlowObserver()
            return nil
        }
        if segment.flags.contains(.syn) {
            guard segment.flags.contains(.ack) else {
                self = FlowObserver()
                offeredScale = segment.windowScale
                edge = 1 + segment.window
                return nil
            }
            begin(initial: segment.acknowledgement &- 1)
            scale = segment.windowScale != nil && guestScale != nil ? segment.windowScale ?? 0 : 0
            return move(edgeTo: 1 + segment.window)
        }
        guard segment.flags.contains(.ack) else { return "a segment without ACK" }
        if let stamp = segment.stamp {
            if let stackStamp, Stamp.isEarlier(stamp.value, stackStamp) { return "the stack's clock went back" }
            stackStamp = stamp.value
        }
        if guestInitial == nil {
            let told = edge
            let agreed = guestScale != nil ? offeredScale ?? 0 : 0
            begin(initial: segment.acknowledgement &- 1)
            edge = told
            scale = agreed
        }
        guard let initial = guestInitial else { return nil }
        let acknowledged = position(segment.acknowledgement, initial)
        if acknowledged < lastAcknowledged { return "the acknowledgement moved back" }
        lastAcknowledged = acknowledged
        if acknowledged > max(1, reach) { return "\(acknowledged) is acknowledged, \(reach) has arrived" }
        // The stack may withhold the acknowledgement of the last byte until the peer of the host's socket has
        // acknowledged it.
        if acknowledged < due - 1, !mayDrop {
            return "\(acknowledged) is acknowledged, though all up to \(due) arrived inside the window"
        }
        for block in segment.blocks {
            let range =
                position(block.start, initial)..<max(position(block.start, initial), position(block.end, initial))
            if range.isEmpty || range.lowerBound <= acknowledged || !arrived.contains(range) {
                return "the SACK block \(range) is not true: \(arrived.ranges), acknowledged \(acknowledged)"
            }
        }
        return move(edgeTo: acknowledged + segment.window << scale)
    }

    private mutating func begin(initial: UInt32) {
        if guestInitial == initial { return }
        self = FlowObserver()
        guestInitial = initial
    }

    private mutating func move(edgeTo told: Int) -> String? {
        // The window field is a multiple of the scale's unit, so a receiver may seem to shrink the window by less than
        // one unit (RFC 7323 §2.4).
        guard told > edge - 1 << scale else { return "the window's right edge moved back by \(edge - told)" }
        edge = max(edge, told)
        return nil
    }
}
