import TestSupport
import Testing

@testable import RingwayStack

@Suite("Received blocks")
struct ReceivedBlocksTests {
    /// Lends blocks in memory that is all zero.
    private func withBlocks(_ body: (ReceivedBlocks) -> Void) {
        let words = UnsafeMutablePointer<UInt64>.allocate(capacity: ReceivedBlocks.wordCount)
        defer { words.deallocate() }
        let blocks = ReceivedBlocks(words: words)
        blocks.clear()
        body(blocks)
    }

    @Test func `marks each block and no other`() {
        withBlocks { blocks in
            for block in 0..<8_192 {
                blocks.mark(from: block * 8, to: block * 8 + 8)
                #expect(blocks.coverage(from: block * 8, to: block * 8 + 1) == .all, "block \(block)")
                if block < 8_191 {
                    #expect(blocks.coverage(from: block * 8 + 8, to: 65_536) == .none, "behind block \(block)")
                }
            }
            #expect(blocks.coverage(from: 0, to: 65_536) == .all)
        }
    }

    @Test("marks ranges as a naive model does", arguments: UInt64(1)...8)
    func ranges(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        withBlocks { blocks in
            var model = [Bool](repeating: false, count: 8_192)
            for _ in 0..<400 {
                let start = Int(noise.next() % 8_192)
                let end = min(start * 8 + 1 + Int(noise.next() % 2_000), 65_536)
                let touched = model[start..<(end + 7) / 8]
                let expected: ReceivedBlocks.Coverage =
                    touched.allSatisfy(\.self) ? .all : touched.contains(true) ? .some : .none
                #expect(blocks.coverage(from: start * 8, to: end) == expected, "seed \(seed)")
                guard noise.next() % 4 == 0 else { continue }
                blocks.mark(from: start * 8, to: end)
                for index in start..<(end + 7) / 8 { model[index] = true }
            }
        }
    }
}
