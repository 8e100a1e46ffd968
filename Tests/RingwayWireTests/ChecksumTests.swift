import RingwayWire
import TestSupport
import Testing

@Suite("Internet checksum") struct ChecksumTests {
    /// The definition, word by word in network order (RFC 1071 §1).
    private func definition(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
            sum = sum & 0xFFFF + sum >> 16
        }
        return UInt16(sum)
    }

    @Test func `the example of RFC 1071 sums to ddf2`() {
        let sum = hex("0001 f203 f4f5 f6f7").withUnsafeBytes { Checksum.partial($0) }
        #expect(Checksum.fold(sum) == UInt16(0xDDF2).bigEndian)
        #expect(Checksum.finish(sum) == UInt16(0x220D).bigEndian)
    }

    @Test func `agrees with the definition at every length and alignment`() {
        var noise = SeededNoise(seed: 1071)
        let bytes = noise.bytes(1_600)
        bytes.withUnsafeBytes { bytes in
            for start in 0..<8 {
                for length in Array(0...200) + [511, 1_448, 1_500, 1_587] {
                    let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])
                    #expect(Checksum.fold(Checksum.partial(piece)).bigEndian == definition(Array(piece)))
                }
            }
        }
    }

    @Test func `does not overflow on the largest of frames, whatever it starts from`() {
        let ones = [UInt8](repeating: 0xFF, count: 65_535)
        let sum = ones.withUnsafeBytes { Checksum.partial($0, initial: .max) }
        #expect(Checksum.fold(sum).bigEndian == definition(ones))
    }

    @Test func `pieces add up, at odd offsets too`() {
        var noise = SeededNoise(seed: 2)
        for _ in 0..<200 {
            let bytes = noise.bytes(Int(noise.next() % 300) + 1)
            let cut = Int(noise.next() % UInt64(bytes.count))
            let first = Array(bytes[..<cut]).withUnsafeBytes { Checksum.partial($0) }
            let second = Array(bytes[cut...]).withUnsafeBytes { Checksum.partial($0) }
            let whole = Checksum.sum(first, cut.isMultiple(of: 2) ? second : Checksum.shifted(second))
            #expect(Checksum.fold(whole).bigEndian == definition(bytes))
        }
    }

    @Test func `adding carries around the end`() {
        #expect(Checksum.fold(Checksum.sum(.max, .max)) == Checksum.fold(.max))
        #expect(Checksum.fold(Checksum.sum(.max, 1)) == 1)
    }

    @Test func `a pseudo-header counts what the RFCs say it does`() throws {
        let four = Checksum.pseudoHeader(
            source: IPAddress(IPv4Address(192, 168, 127, 2)), destination: IPAddress(IPv4Address(1, 2, 3, 4)),
            protocolNumber: 6, length: 0x1234)
        #expect(Checksum.fold(four).bigEndian == definition(hex("c0a87f02 01020304 0006 1234")))
        let six = Checksum.pseudoHeader(
            source: try #require(IPAddress("fd00:1234::ffff:ffff")), destination: try #require(IPAddress("ff02::1:2")),
            protocolNumber: 58, length: 0x1_0002)
        let header = hex("fd00123400000000 00000000ffffffff ff02000000000000 0000000000010002 00010002 0000003a")
        #expect(Checksum.fold(six).bigEndian == definition(header))
    }

    @Test func `a UDP checksum is never zero`() {
        #expect(Checksum.finish(0xFFFF) == 0)
        #expect(Checksum.finishUDP(0xFFFF) == 0xFFFF)
        #expect(Checksum.finishUDP(0x1234) == Checksum.finish(0x1234))
    }

    @Test("what is stored sums up again", arguments: [UInt64](1...20))
    func verifies(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        var message = noise.bytes(8 + Int(noise.next() % 100))
        let source = IPAddress(high: noise.next() | 1, low: noise.next())
        let destination = IPAddress(high: noise.next() | 1, low: noise.next())
        message.replaceSubrange(2..<4, with: [0, 0])
        let checksum = message.withUnsafeBytes {
            Checksum.transport($0, source: source, destination: destination, protocolNumber: 58)
        }
        message.withUnsafeMutableBytes { $0.storeBytes(of: checksum, toByteOffset: 2, as: UInt16.self) }
        let header = Checksum.pseudoHeader(
            source: source, destination: destination, protocolNumber: 58, length: message.count)
        #expect(message.withUnsafeBytes { Checksum.fold(Checksum.partial($0, initial: header)) } == 0xFFFF)
    }
}
