import RingwayWire
import Testing

@testable import RingwayResolver

@Suite struct QueryTests {
    @Test func `A query is read with its question and its options`() throws {
        let bytes = MessageBuilder.query("Example.COM", type: 16, payloadSize: 4096, wantsSecurityRecords: true)
        let query = try #require(Query(bytes))
        #expect(query.header.identifier == 0x1234)
        #expect(query.question?.name == MessageBuilder.name("Example.COM"))
        #expect(query.question?.type == 16)
        #expect(query.largestDatagram == 4096)
        #expect(query.extended?.wantsSecurityRecords == true)
        #expect(query.bytes == bytes)
    }

    @Test func `A query without options takes 512 bytes, and options cannot lower that`() throws {
        #expect(try #require(Query(MessageBuilder.query("a.test"))).largestDatagram == 512)
        #expect(try #require(Query(MessageBuilder.query("a.test", payloadSize: 100))).largestDatagram == 512)
    }

    @Test func `No beginning of a query is a query`() {
        let bytes = MessageBuilder.query("www.example.com", payloadSize: 1232)
        for length in 0..<bytes.count { #expect(Query(Array(bytes.prefix(length))) == nil) }
        #expect(Query(bytes) != nil)
    }

    @Test func `An answer is not a query`() {
        #expect(Query(MessageBuilder.query("a.test", flags: 0x8100)) == nil)
    }

    @Test func `A compression pointer in a question is malformed`() {
        let header = Array(MessageBuilder.query("a.test").prefix(12))
        #expect(Query(header + [0xC0, 12, 0, 1, 0, 1]) == nil)
        #expect(Query(header + [1, 97, 0xC0, 12, 0, 1, 0, 1]) == nil)
        #expect(Query(header + [0x41, 0, 0, 1, 0, 1]) == nil)
    }

    @Test func `A name may have 255 bytes and not one more`() {
        let label = String(repeating: "x", count: 63)
        let longest = "\(label).\(label).\(label).\(String(repeating: "y", count: 61))"
        #expect(WireName.encode(longest)?.count == 255)
        #expect(WireName.encode(longest + "y") == nil)
        #expect(Query(MessageBuilder.query(longest)) != nil)
        var tooLong = Array(MessageBuilder.query("a.test").prefix(12))
        for _ in 0..<4 { tooLong += [63] + Array(repeating: 120, count: 63) }
        #expect(Query(tooLong + [0, 0, 1, 0, 1]) == nil)
    }

    @Test func `Queries of unknown operations and without question pass`() throws {
        let update = MessageBuilder.query("a.test", type: 6, flags: 0x2800)
        #expect(try #require(Query(update)).header.flags.operation == 5)
        let stateful: [UInt8] = [0, 1, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 4, 0, 0, 0, 0]
        #expect(try #require(Query(stateful)).question == nil)
    }

    @Test func `An answer has the same identifier, operation and question, in any case`() throws {
        let bytes = MessageBuilder.query("www.Example.com", type: 28)
        let query = try #require(Query(bytes))
        #expect(query.isAnswered(by: MessageBuilder.answer(to: bytes), identifier: 0x1234))
        let lowered = MessageBuilder.query("www.example.com", type: 28)
        #expect(query.isAnswered(by: MessageBuilder.answer(to: lowered), identifier: 0x1234))
        #expect(!query.isAnswered(by: MessageBuilder.answer(to: bytes), identifier: 0x1235))
        #expect(!query.isAnswered(by: bytes, identifier: 0x1234))
        for other in [
            MessageBuilder.query("www.example.org", type: 28), MessageBuilder.query("www.example.com", type: 1),
            MessageBuilder.query("www.example.com", type: 28, recordClass: 3),
        ] { #expect(!query.isAnswered(by: MessageBuilder.answer(to: other), identifier: 0x1234)) }
    }

    @Test func `An answer without question counts only with an error code`() throws {
        let query = try #require(Query(MessageBuilder.query("a.test")))
        let header: [UInt8] = [0x12, 0x34, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]
        #expect(query.isAnswered(by: header, identifier: 0x1234))
        var success = header
        success[3] = 0x80
        #expect(!query.isAnswered(by: success, identifier: 0x1234))
    }

    @Test func `A failure repeats identifier, question and options`() throws {
        let bytes = MessageBuilder.query("MiXed.test", identifier: 7, payloadSize: 4096, wantsSecurityRecords: true)
        let failure = try #require(Query(bytes)).failure()
        #expect(MessageBuilder.code(failure) == 2)
        #expect(MessageBuilder.identifier(failure) == 7)
        #expect(Array(failure[12..<(bytes.count - 11)]) == Array(bytes[12..<(bytes.count - 11)]))
        #expect(failure[2] & 0x81 == 0x81)
        #expect(failure.suffix(11).prefix(3) == [0, 0, 41])
        #expect(failure.suffix(4).first == 0x80)
    }

    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func `Hostile bytes never crash`(seed: UInt64) {
        var generator = SeededGenerator(state: seed)
        let zone = try? BuiltinZone([BuiltinName(name: "host.ringway.internal", ipv4: .loopback, ipv6: .loopback)])
        let seeds = [
            MessageBuilder.query("host.ringway.internal", type: 255, payloadSize: 4096),
            MessageBuilder.answer(
                to: MessageBuilder.query("a.test"), records: [(1, [1, 2, 3, 4]), (16, [3, 97, 98, 99])]),
        ]
        for round in 0..<5000 {
            var bytes = seeds[round % 2]
            for _ in 0..<Int.random(in: 1...6, using: &generator) {
                bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            bytes.removeLast(Int.random(in: 0...bytes.count, using: &generator))
            if let query = Query(bytes) {
                let answer = zone?.answer(to: query) ?? query.failure()
                #expect(query.isAnswered(by: answer, identifier: query.header.identifier))
                _ = query.isAnswered(by: seeds[1], identifier: 0x1234)
            }
            #expect(Truncation.fit(bytes, into: 40).count <= max(40, 12 + bytes.count))
        }
    }
}
