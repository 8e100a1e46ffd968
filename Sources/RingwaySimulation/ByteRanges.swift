/// A set of positions in a byte stream, kept as sorted ranges that neither overlap nor touch. It shares no code with
/// the stack under test, so that the test does not repeat a bug of the stack, which would hide it.
struct ByteRanges {
    private(set) var ranges: [Range<Int>] = []

    var isEmpty: Bool { ranges.isEmpty }

    mutating func insert(_ new: Range<Int>) {
        guard !new.isEmpty else { return }
        var merged = new
        var kept: [Range<Int>] = []
        for range in ranges {
            if range.upperBound < merged.lowerBound || merged.upperBound < range.lowerBound {
                kept.append(range)
            } else {
                merged = min(range.lowerBound, merged.lowerBound)..<max(range.upperBound, merged.upperBound)
            }
        }
        kept.append(merged)
        kept.sort { $0.lowerBound < $1.lowerBound }
        ranges = kept
    }

    /// Removes all positions below `edge`.
    mutating func remove(below edge: Int) {
        ranges = ranges.compactMap { range in
            if range.upperBound <= edge { return nil }
            return max(range.lowerBound, edge)..<range.upperBound
        }
    }

    mutating func removeAll() { ranges = [] }

    func contains(_ wanted: Range<Int>) -> Bool {
        ranges.contains { $0.lowerBound <= wanted.lowerBound && wanted.upperBound <= $0.upperBound }
    }

    /// The end of the range that contains `position`; `position` itself if it is not in the set.
    func contiguousEnd(from position: Int) -> Int {
        ranges.first { $0.contains(position) }?.upperBound ?? position
    }

    /// The first run of absent positions in `range`, or `nil` if all are present.
    func firstGap(in range: Range<Int>) -> Range<Int>? {
        var start = range.lowerBound
        for present in ranges where present.upperBound > start {
            if present.lowerBound > start { return start..<min(present.lowerBound, range.upperBound) }
            start = present.upperBound
            if start >= range.upperBound { return nil }
        }
        return start < range.upperBound ? start..<range.upperBound : nil
    }
}
