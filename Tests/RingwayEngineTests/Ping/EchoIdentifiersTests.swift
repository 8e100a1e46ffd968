import Testing

@testable import RingwayEngine

@Suite("Echo identifiers")
struct EchoIdentifiersTests {
    @Test func `a slot has one identifier, and an identifier one block`() throws {
        let block = try #require(EchoIdentifiers.take(atLeast: 256))
        defer { block.release() }
        #expect(block.count == 256 && Int(block.first) % 256 == 0)
        for slot in 0..<256 as Range<UInt32> {
            let identifier = try #require(block.identifier(ofSlot: slot))
            #expect(block.slot(of: identifier) == slot)
        }
        #expect(block.identifier(ofSlot: 256) == nil)
        #expect(block.slot(of: block.first ^ 0x0100) == nil)
    }

    @Test func `blocks do not overlap, whatever their sizes, until they are given back`() {
        var blocks = [100, 256, 257, 1_000, 4_096, 65_536, 256].compactMap { EchoIdentifiers.take(atLeast: $0) }
        defer { for block in blocks { block.release() } }
        #expect(blocks.map(\.count) == [256, 256, 512, 1_024, 4_096, 4_096, 256])
        var seen: Set<Int> = []
        for block in blocks {
            #expect(Int(block.first) % block.count == 0)
            for identifier in Int(block.first)..<Int(block.first) + block.count {
                #expect(seen.insert(identifier).inserted)
            }
        }
        blocks.removeLast().release()
        while let more = EchoIdentifiers.take(atLeast: 256) { blocks.append(more) }
        #expect(blocks.reduce(0) { $0 + $1.count } <= 65_536)
        #expect(EchoIdentifiers.take(atLeast: 1) == nil)
    }
}
