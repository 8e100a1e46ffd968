/// What can be told of one connection from the frames alone, and must hold at any time: the window's edge stays, what lies
/// inside it is not dropped, and reports of selective acknowledgement are true.
struct FlowObserver {
    /// The guest's initial sequence number, once the stack has acknowledged it.
    private var guestInitial: UInt32?
    private var scale = 0
    private var offeredScale: Int?
    /// Positions in the guest's sequence space: SYN is 0.
    private var edge = 0
    private var arrived = ByteRanges()
    /// The same without segments that the stack may take for old ones by their timestamps.
    private var fresh = ByteRanges()
    /// The latest timestamps that can have an influence, of the guest's segments and of the stack's.
    private var guestStamp: UInt32?
    private var stackStamp: UInt32?
    /// The furthest position that intact frames of the guest have reached.
    private var reach = 0
    private var lastAcknowledged = 0
    /// What the next acknowledgement has to cover.
    private var due = 1

    private func position(_ sequence: UInt32, _ initial: UInt32) -> Int {
        lastAcknowledged + Int(Int32(bitPattern: sequence &- (initial &+ UInt32(truncatingIfNeeded: lastAcknowledged))))
    }

    /// An intact frame reached the stack.
    mutating func noteFromGuest(_ segment: Segment) {
        guard let initial = guestInitial, segment.flags.contains(.ack), !segment.flags.contains(.syn) else { return }
        let start = position(segment.sequence, initial)
        let end = start + segment.extent
        guard start >= 0, start <= edge else { return }
        reach = max(reach, end)
        // Payload beyond the edge may be dropped, and a FIN behind it with it.
        let taken = max(1, start)..<max(1, min(end, edge))
        arrived.insert(taken)
        if let stamp = segment.stamp {
            if let guestStamp, Stamp.isEarlier(stamp.value, guestStamp) { return }
            if start <= lastAcknowledged { guestStamp = stamp.value }
        }
        fresh.insert(taken)
    }

    /// What the guest's latest frame caused has been done: from now on it is owed an acknowledgement.
    mutating func settle() { due = fresh.contiguousEnd(from: 1) }

    /// The stack sends a segment. Answers what is wrong with it.
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
        // The last byte may wait for a sign of the host's peer.
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
        // A field is a multiple of the scale's step, so a receiver may seem to take back less than one (RFC 7323 §2.4).
        guard told > edge - 1 << scale else { return "the window's right edge moved back by \(edge - told)" }
        edge = max(edge, told)
        return nil
    }
}
