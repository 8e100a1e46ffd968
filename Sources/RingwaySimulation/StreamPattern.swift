/// The bytes of one direction of a stream as a function of their position, so that neither end needs to store them
/// and any part of them can be checked alone.
struct StreamPattern: Sendable {
    let seed: UInt64

    @inline(__always)
    private func word(_ index: Int) -> UInt64 { SplitMix64.mix(seed &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15) }

    @inline(__always)
    private func byte(_ offset: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: word(offset >> 3) >> UInt64((offset & 7) * 8))
    }

    /// Writes `count` bytes of the pattern, from `offset` on.
    func fill(_ target: UnsafeMutableRawPointer, _ count: Int, from offset: Int) {
        var done = 0
        while done < count, (offset + done) & 7 != 0 {
            target.storeBytes(of: byte(offset + done), toByteOffset: done, as: UInt8.self)
            done += 1
        }
        while count - done >= 8 {
            target.storeBytes(of: word((offset + done) >> 3).littleEndian, toByteOffset: done, as: UInt64.self)
            done += 8
        }
        while done < count {
            target.storeBytes(of: byte(offset + done), toByteOffset: done, as: UInt8.self)
            done += 1
        }
    }

    /// The stream position of the first wrong byte, or `nil` if all are right.
    func firstMismatch(_ source: UnsafeRawPointer, _ count: Int, from offset: Int) -> Int? {
        var done = 0
        while done < count {
            if count - done >= 8, (offset + done) & 7 == 0 {
                let found = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: done, as: UInt64.self))
                if found == word((offset + done) >> 3) {
                    done += 8
                    continue
                }
            }
            if source.load(fromByteOffset: done, as: UInt8.self) != byte(offset + done) { return offset + done }
            done += 1
        }
        return nil
    }
}
