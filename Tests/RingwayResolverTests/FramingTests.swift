import Testing

@testable import RingwayResolver

@Suite struct FramingTests {
    @Test func `Messages come out of a stream whole, however it is cut`() {
        let messages: [[UInt8]] = [[1, 2, 3], Array(repeating: 7, count: 300), [9], []]
        var wire: [UInt8] = []
        for message in messages { wire += MessageBuilder.word(UInt16(message.count)) + message }
        for size in 1...wire.count {
            var assembler = FrameAssembler()
            var found: [[UInt8]] = []
            for start in stride(from: 0, to: wire.count, by: size) {
                wire[start..<min(start + size, wire.count)].withUnsafeBytes { assembler.append($0) }
                while let message = assembler.next() { found.append(message) }
            }
            #expect(found == messages)
            #expect(assembler.waiting == 0)
        }
    }

    @Test func `Durations become nanoseconds without overflow`() {
        #expect(Duration.milliseconds(1500).nanoseconds == 1_500_000_000)
        #expect(Duration.seconds(-1).nanoseconds == 0)
        #expect(Duration.seconds(Int64.max).nanoseconds == 3_155_760_000_000_000_000)
    }
}
