/// A binary heap of loop members, ordered by deadline.
///
/// Each member stores its index in the heap, so that its entry can be moved or removed in logarithmic time, and no
/// stale entries remain.
struct DeadlineQueue {
    private var heap: [LoopMember] = []

    var count: Int { heap.count }

    /// The earliest deadline, in monotonic nanoseconds.
    var soonest: UInt64? { heap.first?.deadline }

    /// Sets or moves the member's deadline.
    mutating func schedule(_ member: LoopMember, at instant: UInt64) {
        member.deadline = instant
        if let position = member.deadlinePosition {
            precondition(heap[position] === member, "a member has deadlines in one loop")
            siftUp(siftDown(position))
        } else {
            heap.append(member)
            member.deadlinePosition = heap.count - 1
            siftUp(heap.count - 1)
        }
    }

    mutating func cancel(_ member: LoopMember) {
        guard let position = member.deadlinePosition else { return }
        precondition(heap[position] === member, "a member has deadlines in one loop")
        member.deadlinePosition = nil
        let last = heap.removeLast()
        guard last !== member else { return }
        place(last, at: position)
        siftUp(siftDown(position))
    }

    /// Removes and returns the member with the earliest deadline, if that is not after `now`.
    mutating func popPassed(now: UInt64) -> LoopMember? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        cancel(first)
        return first
    }

    /// Removes every member.
    mutating func removeAll() {
        for member in heap { member.deadlinePosition = nil }
        heap = []
    }

    private mutating func place(_ member: LoopMember, at position: Int) {
        heap[position] = member
        member.deadlinePosition = position
    }

    private mutating func siftUp(_ start: Int) {
        var position = start
        while position > 0 {
            let parent = (position - 1) / 2
            guard heap[position].deadline < heap[parent].deadline else { return }
            exchange(position, parent)
            position = parent
        }
    }

    @discardableResult
    private mutating func siftDown(_ start: Int) -> Int {
        var position = start
        while true {
            var soonest = position
            for child in [2 * position + 1, 2 * position + 2] where child < heap.count {
                if heap[child].deadline < heap[soonest].deadline { soonest = child }
            }
            guard soonest != position else { return position }
            exchange(position, soonest)
            position = soonest
        }
    }

    private mutating func exchange(_ one: Int, _ other: Int) {
        let member = heap[one]
        place(heap[other], at: one)
        place(member, at: other)
    }
}
