internal import RingwayStorage

/// Which mapping gives way when there are too many: of those that never had an answer the one idle for longest, and where
/// all have had one, the one idle for longest. So a scan, or a flood of spoofed clients, costs no other flow its mapping.
struct EvictionOrder {
    private var unanswered: SlotList
    private var answered: SlotList

    /// - Parameters:
    ///   - base: the slab's first element.
    ///   - offset: where an element keeps its `SlotLinks`.
    init<Element: BitwiseCopyable>(of base: UnsafeMutablePointer<Element>, offset: Int?) {
        unanswered = SlotList(of: base, offset: offset)
        answered = SlotList(of: base, offset: offset)
    }

    /// The slot that goes first, or `.max` when there is none.
    var first: UInt32 { unanswered.isEmpty ? answered.first : unanswered.first }

    /// The one idle for longest of those that never had an answer, or `.max`, and of the others.
    var oldestUnanswered: UInt32 { unanswered.first }
    var oldestAnswered: UInt32 { answered.first }

    func next(after slot: UInt32, isAnswered: Bool) -> UInt32 {
        isAnswered ? answered.next(after: slot) : unanswered.next(after: slot)
    }

    /// Adds a mapping that has had no answer yet.
    mutating func append(_ slot: UInt32) { unanswered.append(slot) }

    mutating func touch(_ slot: UInt32, isAnswered: Bool) {
        if isAnswered { answered.moveToEnd(slot) } else { unanswered.moveToEnd(slot) }
    }

    /// The mapping has had its first answer.
    mutating func answer(_ slot: UInt32) {
        unanswered.remove(slot)
        answered.append(slot)
    }

    mutating func remove(_ slot: UInt32, isAnswered: Bool) {
        if isAnswered { answered.remove(slot) } else { unanswered.remove(slot) }
    }
}
