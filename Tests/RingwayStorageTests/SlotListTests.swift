import RingwayStorage
import Testing

/// A table of elements that a list runs through.
private final class ListBench {
    struct Element: BitwiseCopyable {
        var value = 0
        var links = SlotLinks()
        var otherLinks = SlotLinks()
    }

    private let table: UnsafeMutablePointer<Element>
    var list: SlotList
    /// Another one through the same elements.
    var other: SlotList

    init(capacity: Int) {
        table = .allocate(capacity: capacity)
        table.initialize(repeating: Element(), count: capacity)
        list = SlotList(of: table, offset: MemoryLayout<Element>.offset(of: \.links))
        other = SlotList(of: table, offset: MemoryLayout<Element>.offset(of: \.otherLinks))
    }

    deinit { table.deallocate() }

    func value(in slot: UInt32) -> Int { table[Int(slot)].value }
    func setValue(_ value: Int, in slot: UInt32) { table[Int(slot)].value = value }

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

    @Test func `the front is taken off, and may come again behind the others`() {
        let bench = ListBench(capacity: 4)
        for slot: UInt32 in [1, 2] { bench.list.append(slot) }
        let first = bench.list.popFirst()
        #expect(first == 1)
        bench.list.append(1)
        #expect(bench.slots == [2, 1])
        let rest = (bench.list.popFirst(), bench.list.popFirst(), bench.list.popFirst())
        #expect(rest == (2, 1, nil))
        #expect(bench.list.isEmpty)
    }

    @Test func `two lists share elements, and change nothing else of theirs`() {
        let bench = ListBench(capacity: 8)
        bench.setValue(99, in: 4)
        for slot: UInt32 in [4, 5] { bench.list.append(slot) }
        for slot: UInt32 in [5, 4] { bench.other.append(slot) }
        #expect(bench.slots == [4, 5])
        let (one, other) = (bench.other.popFirst(), bench.other.popFirst())
        #expect(one == 5 && other == 4)
        #expect(bench.slots == [4, 5])
        #expect(bench.value(in: 4) == 99)
    }

    @Test func `what is used again moves to the end`() {
        let bench = ListBench(capacity: 4)
        for slot: UInt32 in 0..<3 { bench.list.append(slot) }
        bench.list.moveToEnd(0)
        #expect(bench.slots == [1, 2, 0])
        bench.list.moveToEnd(0)
        #expect(bench.slots == [1, 2, 0])
    }
}
