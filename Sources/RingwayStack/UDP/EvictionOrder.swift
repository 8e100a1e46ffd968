/// Which mapping gives way when there are too many: of those that never had an answer the one idle for longest, and where
/// all have had one, the one idle for longest. So a scan, or a flood of spoofed clients, costs no conversation its mapping.
struct EvictionOrder {
    private var unanswered: AgeList
    private var answered: AgeList

    /// - Parameters:
    ///   - base: the slab's first element.
    ///   - offset: where an element keeps its `AgeLinks`.
    init<Element: BitwiseCopyable>(of base: UnsafeMutablePointer<Element>, offset: Int?) {
        unanswered = AgeList(of: base, offset: offset)
        answered = AgeList(of: base, offset: offset)
    }

    /// The slot that goes first, or `.max` when there is none.
    var first: UInt32 { unanswered.oldest != .max ? unanswered.oldest : answered.oldest }

    /// The one idle for longest of those that never had an answer, or `.max`, and of the others.
    var oldestUnanswered: UInt32 { unanswered.oldest }
    var oldestAnswered: UInt32 { answered.oldest }

    func following(_ slot: UInt32, isAnswered: Bool) -> UInt32 {
        isAnswered ? answered.following(slot) : unanswered.following(slot)
    }

    /// Adds a mapping that has had no answer yet.
    mutating func append(_ slot: UInt32) { unanswered.append(slot) }

    mutating func touch(_ slot: UInt32, isAnswered: Bool) {
        if isAnswered { answered.touch(slot) } else { unanswered.touch(slot) }
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
