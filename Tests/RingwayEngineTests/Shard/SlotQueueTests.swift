import RingwayStorage
import Testing

@testable import RingwayEngine

@Suite("Queue of slots")
struct SlotQueueTests {
    private struct Element: BitwiseCopyable {
        var value: UInt64 = 0
        var link: UInt32 = 7
        var otherLink: UInt32 = 7
    }

    private static func elements() -> UnsafeMutablePointer<Element> {
        let elements = UnsafeMutablePointer<Element>.allocate(capacity: 8)
        elements.initialize(repeating: Element(), count: 8)
        return elements
    }

    /// A queue's content, in order of removal.
    private static func drain(_ queue: inout SlotQueue) -> [UInt32] {
        var slots: [UInt32] = []
        while let slot = queue.popFirst() { slots.append(slot) }
        return slots
    }

    @Test func `gives back first what came first`() {
        let elements = Self.elements()
        defer { elements.deallocate() }
        var queue = SlotQueue(of: elements, link: MemoryLayout<Element>.offset(of: \.link))
        #expect(queue.isEmpty)
        for slot in [3, 0, 7] as [UInt32] { queue.append(slot) }
        #expect(!queue.isEmpty)
        let slots = Self.drain(&queue)
        #expect(slots == [3, 0, 7])
        #expect(queue.isEmpty)
    }

    @Test func `takes again what it has given back, behind the others`() {
        let elements = Self.elements()
        defer { elements.deallocate() }
        var queue = SlotQueue(of: elements, link: MemoryLayout<Element>.offset(of: \.link))
        queue.append(1)
        queue.append(2)
        let first = queue.popFirst()
        #expect(first == 1)
        queue.append(1)
        let slots = Self.drain(&queue)
        #expect(slots == [2, 1])
        queue.append(5)
        let last = Self.drain(&queue)
        #expect(last == [5])
    }

    @Test func `shares elements with another queue, and nothing else of theirs`() {
        let elements = Self.elements()
        defer { elements.deallocate() }
        elements[4].value = 99
        var first = SlotQueue(of: elements, link: MemoryLayout<Element>.offset(of: \.link))
        var second = SlotQueue(of: elements, link: MemoryLayout<Element>.offset(of: \.otherLink))
        for slot in [4, 5] as [UInt32] { first.append(slot) }
        for slot in [5, 4] as [UInt32] { second.append(slot) }
        let (one, other) = (Self.drain(&first), Self.drain(&second))
        #expect(one == [4, 5] && other == [5, 4])
        #expect(elements[4].value == 99)
    }
}
