import RingwayStorage
import Testing

@Suite("Memory that may run out")
struct MemoryTests {
    @Test func `admits anything where nothing is bounded`() {
        let reserve = MemoryReserve()
        #expect(!reserve.isBounded && reserve.left == nil && reserve.admits(1 << 50))
    }

    @Test func `keeps its reserve of whatever is scarcest`() {
        var reserve = MemoryReserve()
        reserve.addressLimit = 1 << 30
        reserve.addressesUsed = 512 << 20
        reserve.commitLimit = 1 << 40
        reserve.committed = (1 << 40) - (100 << 20)
        #expect(reserve.left == 100 << 20)
        #expect(reserve.admits(84 << 20))
        #expect(!reserve.admits(84 << 20 + 1))
        reserve.dataLimit = 10 << 20
        reserve.dataUsed = 11 << 20
        #expect(reserve.left == 0 && !reserve.admits())
    }

    @Test func `a block that cannot be had throws`() {
        #expect(throws: MemoryFailure.self) {
            _ = try UnsafeMutablePointer<UInt64>.allocateApart(capacity: 1 << 50)
        }
        #expect(throws: MemoryFailure.self) {
            _ = try BufferSpace(shards: 64, largeCount: 0x7F_FFFE, smallCount: 0x7F_FFFE)
        }
    }

    @Test func `blocks that belong together are kept, or given back`() throws {
        var blocks = MemoryBlocks()
        let kept = try blocks.apart(4, of: UInt64.self)
        kept.initialize(repeating: 7, count: 4)
        blocks.keep()
        #expect(throws: MemoryFailure.self) { _ = try blocks.pages(1 << 60) }
        #expect(kept[3] == 7)
        kept.deallocate()
    }
}
