import RingwayWire
import TestSupport
import Testing

@Suite("TCP options") struct TCPOptionsTests {
    private func parse(_ hexadecimal: String) -> TCPOptions? {
        hex(hexadecimal).withUnsafeBytes { TCPOptions.parse($0) }
    }

    private func encoded(_ options: TCPOptions) -> [UInt8] {
        written(options.encodedLength) { #expect(options.write(to: $0) == options.encodedLength) }
    }

    @Test func `reads what Linux puts into a SYN`() throws {
        let frame = try KernelFrame.named("SYN").bytes
        try frame.withUnsafeBytes { bytes in
            let packet = try #require(IPv4Header(UnsafeRawBufferPointer(rebasing: bytes[14...])))
            let segment = try #require(TCPHeader(packet.payload))
            let options = try #require(TCPOptions.parse(segment.options))
            #expect(options.maximumSegmentSize == 1_460 && options.windowScale == 10 && options.sackPermitted)
            #expect(options.sackBlockCount == 0)
        }
    }

    @Test func `writes a SYN's options in words`() {
        var options = TCPOptions()
        options.maximumSegmentSize = 1_460
        options.windowScale = 7
        options.sackPermitted = true
        #expect(encoded(options) == hex("020405b4 01010402 01030307"))
        options.windowScale = nil
        #expect(encoded(options) == hex("020405b4 01010402"))
        #expect(encoded(TCPOptions()).isEmpty)
    }

    @Test func `writes timestamps first, aligned to words`() {
        var options = TCPOptions()
        options.maximumSegmentSize = 1_460
        options.timestamps = TimestampOption(value: 0x0102_0304, echo: 0xA0B0_C0D0)
        #expect(encoded(options) == hex("0101080a 01020304 a0b0c0d0 020405b4"))
        #expect(encoded(options).withUnsafeBytes { TCPOptions.parse($0) } == options)
    }

    @Test(
        "finds a segment's timestamps wherever they are",
        arguments: [
            "0101080a0102030400000005", "080a01020304000000050000", "0402080a010203040000000501030307",
            "0101080a01020304000000050101050a0000000100000002",
        ])
    func findsTimestamps(_ hexadecimal: String) throws {
        let stamp = try timestamps(hexadecimal)
        #expect(stamp == TimestampOption(value: 0x0102_0304, echo: 5))
    }

    @Test(
        "finds no timestamps where there are none", arguments: ["", "020405b4", "01010409", "080901020304000000050000"])
    func findsNoTimestamps(_ hexadecimal: String) throws {
        #expect(try timestamps(hexadecimal) == nil)
    }

    private func timestamps(_ hexadecimal: String) throws -> TimestampOption? {
        let options = hex(hexadecimal)
        var segment = [UInt8](repeating: 0, count: 20) + options
        segment[12] = UInt8(segment.count / 4) << 4
        let place = GuardedBuffer(capacity: 4_096)
        return try #require(TCPHeader(place.place(segment))).timestamps
    }

    @Test("blocks survive the round trip", arguments: 1...4)
    func blocks(count: Int) {
        var options = TCPOptions()
        for index in 0..<count {
            let start = SequenceNumber(0xFFFF_FF00).advanced(by: index * 1_000)
            options.append(SACKBlock(start: start, end: start.advanced(by: 500)))
        }
        let bytes = encoded(options)
        #expect(bytes.count == 4 + 8 * count)
        #expect(bytes.withUnsafeBytes { TCPOptions.parse($0) } == options)
    }

    @Test func `a fifth block is not kept`() {
        var options = TCPOptions()
        for _ in 0..<5 { options.append(SACKBlock(start: SequenceNumber(1), end: SequenceNumber(2))) }
        #expect(options.sackBlockCount == 4 && options.encodedLength == 36)
    }

    @Test func `ignores what follows the end and what it does not know`() throws {
        #expect(parse("01 0303 09 00 0204")?.windowScale == 9)
        #expect(parse("080a0000000100000002 fd04abcd 020405b4")?.maximumSegmentSize == 1_460)
        #expect(parse("") == TCPOptions())
    }

    /// RFC 7323 §2.3.
    @Test func `takes a window scale above 14 for 14`() throws {
        #expect(parse("0303ff")?.windowScale == 14)
    }

    @Test(
        "refuses lengths that cannot be",
        arguments: [
            "02", "0200", "0201", "020405", "0203ff", "0204ff", "030401ff", "0402 04", "0403ff", "050a00000001", "0502",
            "0506ffffffff", "0802", "080901020304050607", "080b010203040506070809",
        ])
    func refuses(_ hexadecimal: String) {
        #expect(parse(hexadecimal) == nil)
    }

    @Test("survives any bytes at all", arguments: [UInt64](1...16))
    func survivesNoise(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let buffer = GuardedBuffer(capacity: 4_096)
        for _ in 0..<2_000 {
            let bytes = noise.bytes(Int(noise.next() % 41)).map { $0 & 0x0F }
            guard let options = TCPOptions.parse(buffer.place(bytes)) else { continue }
            #expect(options.sackBlockCount <= 4 && options.windowScale ?? 0 <= 14)
        }
    }
}
