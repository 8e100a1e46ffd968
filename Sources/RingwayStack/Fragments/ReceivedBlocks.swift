/// A bitmap of the eight-byte blocks of a datagram that have arrived, in memory that the reassembler owns.
///
/// Every fragment starts at a multiple of eight bytes, and every fragment but the last ends at a multiple of eight
/// (RFC 791 §3.1, RFC 8200 §4.5), so a bit per block is exact, and overlap detection is an AND.
struct ReceivedBlocks {
    /// The 64-bit words of a bitmap for a datagram of 64 KiB, which has 8,192 blocks.
    static var wordCount: Int { 128 }

    enum Coverage { case none, some, all }

    let words: UnsafeMutablePointer<UInt64>

    func clear() {
        words.update(repeating: 0, count: Self.wordCount)
    }

    /// How many of the blocks that `start..<end` touches are marked: none, some or all.
    func coverage(from start: Int, to end: Int) -> Coverage {
        var missing: UInt64 = 0
        var present: UInt64 = 0
        forEachWord(from: start, to: end) { index, mask in
            missing |= ~words[index] & mask
            present |= words[index] & mask
        }
        if present == 0 { return .none }
        return missing == 0 ? .all : .some
    }

    /// Marks the blocks that `start..<end` touches.
    func mark(from start: Int, to end: Int) {
        forEachWord(from: start, to: end) { index, mask in words[index] |= mask }
    }

    /// Calls `body` with the index of each 64-bit word that holds blocks of `start..<end`, and a mask of these blocks.
    private func forEachWord(from start: Int, to end: Int, _ body: (Int, UInt64) -> Void) {
        precondition(start >= 0 && start < end && end <= Self.wordCount * 512, "bytes outside a datagram")
        let first = start / 8
        let last = (end - 1) / 8
        for index in first / 64...last / 64 {
            // The positions of the first and the last block within this word are 0 to 63, so that both shifts are by
            // less than 64 bits.
            let low = max(first - index * 64, 0)
            let high = min(last - index * 64, 63)
            body(index, (UInt64.max << UInt64(low)) & (UInt64.max >> UInt64(63 - high)))
        }
    }
}
