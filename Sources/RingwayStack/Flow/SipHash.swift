/// SipHash-2-4, a keyed hash whose results do not reveal the key (Aumasson and Bernstein, 2012).
///
/// For what a guest sees, such as initial sequence numbers. The hash of the flow table (`FlowKey.hash`) is faster, but
/// its key could be computed from its results.
struct SipHash {
    private var state: (UInt64, UInt64, UInt64, UInt64)
    private var count: UInt64 = 0

    init(key: (UInt64, UInt64)) {
        state = (
            key.0 ^ 0x736F_6D65_7073_6575, key.1 ^ 0x646F_7261_6E64_6F6D, key.0 ^ 0x6C79_6765_6E65_7261,
            key.1 ^ 0x7465_6462_7974_6573
        )
    }

    /// A key for one purpose, which is stated by a constant, from a secret that has several.
    init(secret: UInt64, purpose: UInt64) { self.init(key: (secret, secret ^ purpose)) }

    /// Hashes eight more bytes, which are the word's in little-endian order.
    mutating func add(_ word: UInt64) {
        count &+= 8
        absorb(word)
    }

    /// The hash of all words.
    consuming func finish() -> UInt64 {
        absorb(count << 56)
        state.2 ^= 0xFF
        for _ in 0..<4 { round() }
        return state.0 ^ state.1 ^ state.2 ^ state.3
    }

    private mutating func absorb(_ word: UInt64) {
        state.3 ^= word
        round()
        round()
        state.0 ^= word
    }

    private mutating func round() {
        func rotate(_ word: UInt64, _ bits: UInt64) -> UInt64 { word << bits | word >> (64 - bits) }
        state.0 &+= state.1
        state.2 &+= state.3
        state.1 = rotate(state.1, 13) ^ state.0
        state.3 = rotate(state.3, 16) ^ state.2
        state.0 = rotate(state.0, 32)
        state.2 &+= state.1
        state.0 &+= state.3
        state.1 = rotate(state.1, 17) ^ state.2
        state.3 = rotate(state.3, 21) ^ state.0
        state.2 = rotate(state.2, 32)
    }
}
