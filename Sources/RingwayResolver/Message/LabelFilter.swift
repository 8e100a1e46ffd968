/// A Bloom filter of 256 bits and one hash function. It tells quickly that a label is not among those that the filter
/// was made from.
///
/// Most queries are for names of other zones, and this filter recognises them without a look-up. A `Set` of labels
/// would not help: its keyed hash costs more than the look-ups that it spares. The filter's hash has no key, so a
/// client can choose labels that collide and pass the filter. Such queries only cost the look-ups.
struct LabelFilter: Sendable {
    private var bits = SIMD4<UInt64>()
    /// Whether the empty label of the root is included. Every name is below the root, so the filter then excludes none.
    private var includesRoot = false

    init(_ labels: some Sequence<ArraySlice<UInt8>>) {
        for label in labels {
            if label.isEmpty { includesRoot = true }
            let (word, mask) = Self.place(of: label)
            bits[word] |= mask
        }
    }

    /// Whether `label` may be one of the labels; `false` is certain.
    func mayContain(_ label: ArraySlice<UInt8>) -> Bool {
        guard !includesRoot else { return true }
        let (word, mask) = Self.place(of: label)
        return bits[word] & mask != 0
    }

    /// The bit of a label, by FNV-1a.
    private static func place(of label: ArraySlice<UInt8>) -> (word: Int, mask: UInt64) {
        var hash: UInt32 = 0x811C_9DC5
        for byte in label { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        hash ^= hash >> 16
        return (Int(hash >> 6 & 3), 1 << UInt64(hash & 63))
    }
}
