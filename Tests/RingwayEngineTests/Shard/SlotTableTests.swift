import RingwayStorage
import Testing

@testable import RingwayEngine

@Suite("Slot table")
struct SlotTableTests {
    @Test func `keeps a value in its slot until it is removed`() {
        let table = MemoryFailure.trap { try SlotTable<Int>(capacity: 4) }
        let before = table.pointer(3)?.pointee
        table.insert(7, 3).pointee += 1
        let there = table.pointer(3)?.pointee
        let beside = table.pointer(2)?.pointee
        table.remove(3)
        let after = table.pointer(3)?.pointee
        _ = table.insert(1, 3)
        let again = table.pointer(3)?.pointee
        #expect(before == nil && there == 8 && beside == nil && after == nil && again == 1)
    }

    @Test func `traps on a slot that is taken`() async {
        await #expect(processExitsWith: .failure) {
            let table = MemoryFailure.trap { try SlotTable<Int>(capacity: 4) }
            _ = table.insert(1, 1)
            _ = table.insert(2, 1)
        }
    }

    @Test func `traps on a slot that it does not have`() async {
        await #expect(processExitsWith: .failure) {
            let table = MemoryFailure.trap { try SlotTable<Int>(capacity: 4) }
            _ = table.pointer(4)
        }
    }
}
