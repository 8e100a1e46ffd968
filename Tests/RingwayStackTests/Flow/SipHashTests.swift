import Testing

@testable import RingwayStack

@Suite("SipHash")
struct SipHashTests {
    /// The authors' vectors: the key is 00 01 … 0f, the message 00 01 … of each length.
    @Test(
        arguments: [
            (0, 0x726F_DB47_DD0E_0E31), (8, 0x93F5_F579_9A93_2462), (16, 0x3F2A_CC7F_57C2_9BDB),
        ] as [(Int, UInt64)])
    func `gives the results that its authors published`(_ length: Int, _ expected: UInt64) {
        var hash = SipHash(key: (0x0706_0504_0302_0100, 0x0F0E_0D0C_0B0A_0908))
        for start in stride(from: 0, to: length, by: 8) {
            hash.add((0..<8 as Range<UInt64>).reduce(0) { $0 | (UInt64(start) + $1) << (8 * $1) })
        }
        #expect(hash.finish() == expected)
    }

    @Test func `differs between purposes of one secret`() {
        #expect(SipHash(secret: 1, purpose: 2).finish() != SipHash(secret: 1, purpose: 3).finish())
    }
}
