/// Unpredictable identifiers of DNS messages (RFC 5452 §9.2). A random number from the kernel, which costs a system
/// call, gives four of them.
final class RandomIdentifiers {
    private var generator = SystemRandomNumberGenerator()
    private var bits: UInt64 = 0
    private var count = 0

    func next() -> UInt16 {
        if count == 0 {
            bits = generator.next()
            count = UInt64.bitWidth / UInt16.bitWidth
        }
        defer {
            bits >>= UInt16.bitWidth
            count -= 1
        }
        return UInt16(truncatingIfNeeded: bits)
    }
}
