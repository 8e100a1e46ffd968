import RingwayRing
import Testing

@Suite("Operation tag")
struct OperationTagTests {
    @Test(arguments: [UInt8.min, 1, .max], [UInt32.min, 1, 0xFF_FFFF])
    func `gives back every part that it was made of`(byte: UInt8, index: UInt32) {
        for generation: UInt16 in [.min, 1, .max] {
            let tag = OperationTag(kind: byte, generation: generation, index: index)
            #expect(tag.kind == byte)
            #expect(tag.tenant == 0)
            #expect(tag.generation == generation)
            #expect(tag.index == index)
            #expect(OperationTag(rawValue: tag.rawValue) == tag)
        }
    }

    @Test(arguments: [UInt32.min, 1, .max]) func `has 32 bits for what needs no generation`(value: UInt32) {
        let tag = OperationTag(kind: .max, value: value)
        #expect(tag.kind == .max && tag.value == value && tag.tenant == 0)
    }

    @Test func `keeps the tenant apart from all other parts`() {
        let tag = OperationTag(kind: 7, generation: .max, index: 0xFF_FFFF)
        let own = OperationTag(rawValue: tag.rawValue | UInt64(0xABCD) << 40)
        #expect(own.tenant == 0xABCD)
        #expect(own.kind == 7 && own.generation == .max && own.index == 0xFF_FFFF)
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
