import Testing

@testable import RingwayEngine

@Suite("Neighbours' budget")
struct NeighborBudgetTests {
    @Test func `a link with nothing to carry takes a whole lot each time`() {
        var budget = NeighborBudget()
        for _ in 0..<1_000 { budget.note(bytes: 60) }
        for turn in 0..<10 as Range<UInt64> {
            #expect(budget.frames(isLinkQuiet: true, now: turn) == NeighborBudget.most)
        }
    }

    @Test func `large frames come in smaller lots, and small ones find the link busy sooner`() {
        var budget = NeighborBudget()
        for _ in 0..<1_000 { budget.note(bytes: 65_000) }
        let large = budget.frames(isLinkQuiet: true, now: 0)
        #expect(large >= NeighborBudget.least && large * 65_000 <= NeighborBudget.lotBytes)
        #expect(budget.quietBytes == 128 << 10)
        for _ in 0..<1_000 { budget.note(bytes: 60) }
        #expect(budget.quietBytes <= 64 * 80)
        // For any frame size, the result is a quantity.
        for bytes in [0, 1, 70_000, Int(Int32.max), 0] { budget.note(bytes: bytes) }
        #expect(budget.frames(isLinkQuiet: true, now: 0) >= NeighborBudget.least)
    }

    @Test func `a link that is busy takes a few frames at intervals, and never none for longer`() {
        var budget = NeighborBudget()
        var taken = 0
        // A turn each microsecond, for a hundred intervals.
        for turn in 0..<100 * NeighborBudget.pause / 1_000 {
            taken += budget.frames(isLinkQuiet: false, now: turn * 1_000)
        }
        #expect(taken == 100 * NeighborBudget.least)
        let due = budget.nextLot
        #expect(budget.frames(isLinkQuiet: false, now: due - 1) == 0)
        #expect(budget.frames(isLinkQuiet: false, now: due) == NeighborBudget.least)
    }
}
