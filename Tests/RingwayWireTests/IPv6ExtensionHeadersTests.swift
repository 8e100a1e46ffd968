import RingwayWire
import TestSupport
import Testing

/// RFC 8200 §4.
@Suite("IPv6 extension headers") struct IPv6ExtensionHeadersTests {
    private func walk(_ first: UInt8, _ payload: [UInt8]) -> IPv6ExtensionHeaders? {
        payload.withUnsafeBytes { IPv6ExtensionHeaders.walk(firstHeader: first, payload: $0) }
    }

    @Test func `none leave the payload where it was`() throws {
        let chain = try #require(walk(6, [1, 2, 3]))
        #expect(chain.finalProtocol == 6 && chain.offset == 0 && chain.fragment == nil)
        #expect(walk(59, [])?.finalProtocol == 59)
    }

    @Test func `options and routing are passed over`() throws {
        let chain = hex("3c00 010400000000 2b01 010c 000000000000000000000000 1100 0000 00000000 ffff")
        let result = try #require(walk(0, chain))
        #expect(result.finalProtocol == 17 && result.offset == 32 && result.fragment == nil)
    }

    @Test func `a fragment ends the walk`() throws {
        let result = try #require(walk(44, hex("1100 05a9 deadbeef 0102")))
        #expect(result.finalProtocol == 17 && result.offset == 8)
        #expect(result.fragment == .init(offset: 1_448, more: true, identification: 0xDEAD_BEEF))
        let header = written(8) { result.fragment?.write(to: $0, nextHeader: 17) }
        #expect(header == hex("1100 05a9 deadbeef"))
    }

    /// RFC 6946.
    @Test func `an atomic fragment is none`() throws {
        let result = try #require(walk(44, hex("0600 0000 deadbeef")))
        #expect(result.finalProtocol == 6 && result.offset == 8 && result.fragment == nil)
    }

    @Test(
        "refuses a chain that is malformed",
        arguments: [
            (0, "3c00 0104000000"), (0, "1101 010400000000"), (60, "0000 010400000000 1100 010400000000"),
            (43, "1100 0001 00000000"), (44, "1100 0001 000000"), (60, ""),
        ] as [(UInt8, String)])
    func refuses(_ first: UInt8, _ payload: String) {
        #expect(walk(first, hex(payload)) == nil)
    }

    @Test func `walks eight headers and not nine`() {
        let header = hex("3c00 010400000000")
        let last = hex("1100 010400000000")
        #expect(walk(60, Array(repeatElement(header, count: 7).joined()) + last)?.finalProtocol == 17)
        #expect(walk(60, Array(repeatElement(header, count: 8).joined()) + last) == nil)
    }

    @Test("survives any bytes at all", arguments: [UInt64](1...16))
    func survivesNoise(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let buffer = GuardedBuffer(capacity: 4_096)
        let kinds: [UInt8] = [0, 43, 44, 60]
        for _ in 0..<500 {
            var bytes = noise.bytes(Int(noise.next() % 200))
            // Small lengths and known kinds make the walk go deep.
            for index in stride(from: 0, to: bytes.count - 1, by: 8) {
                bytes[index] = kinds[Int(bytes[index] & 3)]
                bytes[index + 1] &= 1
            }
            let payload = buffer.place(bytes)
            if let chain = IPv6ExtensionHeaders.walk(firstHeader: kinds[Int(noise.next() & 3)], payload: payload) {
                #expect(chain.offset <= bytes.count)
            }
        }
    }
}
