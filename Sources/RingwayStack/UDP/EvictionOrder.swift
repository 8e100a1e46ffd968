internal import RingwayStorage

/// The order in which mappings are evicted: first those without any reply so far, then the others. In each group the
/// mapping idle for longest is first. A scan, or a flood of spoofed clients, therefore evicts only its own mappings.
struct EvictionOrder {
    private var unanswered: SlotList
    private var answered: SlotList

    /// Creates an order without mappings.
    ///
    /// - Parameters:
    ///   - base: the slab's first element.
    ///   - offset: the offset of an element's `SlotLinks`.
    init<Element: BitwiseCopyable>(of base: UnsafeMutablePointer<Element>, offset: Int?) {
        unanswered = SlotList(of: base, offset: offset)
        answered = SlotList(of: base, offset: offset)
    }

    /// The slot to evict first, or `.max` if there is none.
    var first: UInt32 { unanswered.isEmpty ? answered.first : unanswered.first }

    /// The slot of the unanswered mapping idle for longest; `.max` if all mappings are answered.
    var oldestUnanswered: UInt32 { unanswered.first }
    /// The slot of the answered mapping idle for longest; `.max` if no mapping is answered.
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
