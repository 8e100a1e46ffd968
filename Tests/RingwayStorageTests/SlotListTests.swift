import RingwayStorage
import Testing

/// A table whose elements are on a list.
private final class ListBench {
    struct Element: BitwiseCopyable {
        var value = 0
        var links = SlotLinks()
    }

    private let table: UnsafeMutablePointer<Element>
    var list: SlotList

    init(capacity: Int) {
        table = .allocate(capacity: capacity)
        table.initialize(repeating: Element(), count: capacity)
        list = SlotList(of: table, offset: MemoryLayout<Element>.offset(of: \.links))
    }

    deinit { table.deallocate() }

    var slots: [UInt32] {
        var slots: [UInt32] = []
        var slot = list.first
        while slot != SlotList.none {
            slots.append(slot)
            slot = list.next(after: slot)
        }
        return slots
    }
}

@Suite("SlotList")
struct SlotListTests {
    @Test func `an empty list has no ends`() {
        let bench = ListBench(capacity: 4)
        #expect(bench.list.isEmpty)
        #expect(bench.list.first == SlotList.none && bench.list.last == SlotList.none)
    }

    @Test func `slots leave in the order in which they were appended`() {
        let bench = ListBench(capacity: 4)
        for slot: UInt32 in [2, 0, 3] { bench.list.append(slot) }
        #expect(bench.slots == [2, 0, 3])
        #expect(bench.list.last == 3)
        bench.list.remove(2)
        #expect(bench.slots == [0, 3])
    }

    @Test func `a slot is removed from the front, the middle and the end`() {
        let bench = ListBench(capacity: 8)
        for slot: UInt32 in 0..<5 { bench.list.append(slot) }
        for (removed, left): (UInt32, [UInt32]) in [
            (2, [0, 1, 3, 4]), (0, [1, 3, 4]), (4, [1, 3]), (1, [3]), (3, []),
        ] {
            bench.list.remove(removed)
            #expect(bench.slots == left)
        }
        #expect(bench.list.isEmpty && bench.list.last == SlotList.none)
    }

    @Test func `an element that is used again moves to the end`() {
        let bench = ListBench(capacity: 4)
        for slot: UInt32 in 0..<3 { bench.list.append(slot) }
        bench.list.moveToEnd(0)
        #expect(bench.slots == [1, 2, 0])
        bench.list.moveToEnd(0)
        #expect(bench.slots == [1, 2, 0])
    }
}
