public import RingwayWire

/// The ranges that the guest has reported by SACK beyond its cumulative acknowledgement (RFC 6675 §3): at most eight,
/// disjoint, in order. If there are more, the highest are forgotten, which costs retransmissions but not correctness.
@frozen
public struct Scoreboard: BitwiseCopyable {
    @frozen
    public struct Range: BitwiseCopyable {
        public var start = SequenceNumber(0)
        public var end = SequenceNumber(0)
        @inlinable init() {}
    }

    static var capacity: Int { 8 }

    public private(set) var count = 0
    private var ranges = InlineArray<8, Range>(repeating: Range())

    public init() {}

    public var isEmpty: Bool { count == 0 }

    /// The end of the highest range; valid only if there is one.
    public var highest: SequenceNumber { count == 0 ? SequenceNumber(0) : ranges[count - 1].end }

    public mutating func removeAll() { count = 0 }

    /// Records that the guest has `start..<end`, merging overlapping and adjacent ranges.
    public mutating func insert(start: SequenceNumber, end: SequenceNumber) {
        var merged = Range()
        merged.start = start
        merged.end = end
        var kept = InlineArray<8, Range>(repeating: Range())
        var keptCount = 0
        var placed = false
        for index in 0..<count {
            let range = ranges[index]
            if range.end.precedes(merged.start) {
                guard keptCount < Self.capacity else { break }
                kept[keptCount] = range
                keptCount += 1
            } else if merged.end.precedes(range.start) {
                if !placed, keptCount < Self.capacity {
                    kept[keptCount] = merged
                    keptCount += 1
                    placed = true
                }
                guard keptCount < Self.capacity else { break }
                kept[keptCount] = range
                keptCount += 1
            } else {
                if range.start.precedes(merged.start) { merged.start = range.start }
                if merged.end.precedes(range.end) { merged.end = range.end }
            }
        }
        if !placed, keptCount < Self.capacity {
            kept[keptCount] = merged
            keptCount += 1
        }
        ranges = kept
        count = keptCount
    }

    /// Removes everything before `edge` from the ranges.
    public mutating func acknowledge(upTo edge: SequenceNumber) {
        var kept = 0
        for index in 0..<count {
            var range = ranges[index]
            guard edge.precedes(range.end) else { continue }
            if range.start.precedes(edge) { range.start = edge }
            ranges[kept] = range
            kept += 1
        }
        count = kept
    }

    /// Bytes of `start..<end` that the guest has.
    public func bytes(from start: SequenceNumber, to end: SequenceNumber) -> UInt32 {
        var total: UInt32 = 0
        for index in 0..<count {
            let low = ranges[index].start.precedes(start) ? start : ranges[index].start
            let high = end.precedes(ranges[index].end) ? end : ranges[index].end
            if low.precedes(high) { total &+= UInt32(bitPattern: high.distance(from: low)) }
        }
        return total
    }

    /// The first byte at or after `position` that the guest does not have, and the end of that hole, at most `limit`.
    public func hole(from position: SequenceNumber, limit: SequenceNumber) -> (
        start: SequenceNumber, end: SequenceNumber
    ) {
        var start = position
        for index in 0..<count {
            let range = ranges[index]
            if !start.precedes(range.start) {
                if start.precedes(range.end) { start = range.end }
            } else {
                return (start, range.start.precedes(limit) ? range.start : limit)
            }
        }
        return (start, limit)
    }
}
