import RingwayRing
import Testing

@Suite("Operation tag")
struct OperationTagTests {
    @Test(arguments: [UInt8.min, 1, .max], [UInt32.min, 1, .max])
    func `gives back every part that it was made of`(byte: UInt8, index: UInt32) {
        for generation: UInt16 in [.min, 1, .max] {
            let tag = OperationTag(kind: byte, detail: ~byte, generation: generation, index: index)
            #expect(tag.kind == byte)
            #expect(tag.detail == ~byte)
            #expect(tag.generation == generation)
            #expect(tag.index == index)
            #expect(OperationTag(rawValue: tag.rawValue) == tag)
        }
    }

    @Test func `reads a completion's flags as the kernel writes them`() {
        let tag = OperationTag(kind: 1, index: 1)
        let plain = Completion(tag: tag, result: 0, flags: 0)
        #expect(!plain.hasMore && !plain.hasBuffer)
        let last = Completion(tag: tag, result: 0, flags: 0xFFFF_0001)
        #expect(!last.hasMore && last.hasBuffer && last.bufferIdentifier == 0xFFFF)
        let more = Completion(tag: tag, result: 0, flags: 0x0007_0003)
        #expect(more.hasMore && more.hasBuffer && more.bufferIdentifier == 7)
    }
}
