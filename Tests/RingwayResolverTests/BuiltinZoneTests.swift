import RingwayWire
import Testing

@testable import RingwayResolver

@Suite struct BuiltinZoneTests {
    let zone: BuiltinZone

    init() throws {
        zone = try BuiltinZone([
            BuiltinName(
                name: "host.ringway.internal", ipv4: IPv4Address(192, 168, 127, 254),
                ipv6: IPv6Address(high: 0xFD00_0000_0000_0001, low: 0xFE)),
            BuiltinName(name: "host.docker.internal.", ipv4: IPv4Address(192, 168, 127, 254)),
            BuiltinName(name: "gateway.ringway.internal", ipv4: IPv4Address(192, 168, 127, 1)),
        ])
    }

    private func ask(_ octets: [UInt8]) throws -> [UInt8]? {
        zone.answer(to: try #require(Query(octets)))
    }

    @Test func `A name has its addresses, whatever its case, and the question is repeated as it came`() throws {
        let query = MessageBuilder.query("HOST.rIngWay.Internal", identifier: 99)
        let answer = try #require(try ask(query))
        #expect(MessageBuilder.identifier(answer) == 99)
        #expect(MessageBuilder.code(answer) == 0)
        #expect(answer[2] & 0x80 != 0)
        #expect(Array(answer[12..<query.count]) == Array(query[12...]))
        #expect(MessageBuilder.answers(answer).map(\.data) == [[192, 168, 127, 254]])
        let address6 = try #require(try ask(MessageBuilder.query("host.ringway.internal", type: 28)))
        #expect(
            MessageBuilder.answers(address6).map(\.data) == [[0xFD, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xFE]])
    }

    @Test func `ANY has all addresses`() throws {
        let answer = try #require(try ask(MessageBuilder.query("host.ringway.internal", type: 255)))
        #expect(MessageBuilder.answers(answer).map(\.type).sorted() == [1, 28])
    }

    @Test(arguments: [28, 15, 16, 65] as [UInt16])
    func `Other types of a built-in name are an empty success`(type: UInt16) throws {
        let answer = try #require(try ask(MessageBuilder.query("gateway.ringway.internal", type: type)))
        #expect(MessageBuilder.code(answer) == 0)
        #expect(MessageBuilder.answerCount(answer) == 0)
    }

    @Test func `An address leads back to the first name that has it`() throws {
        let answer = try #require(try ask(MessageBuilder.query("254.127.168.192.in-addr.arpa", type: 12)))
        #expect(MessageBuilder.answers(answer).map(\.data) == [MessageBuilder.name("host.ringway.internal")])
        let zeros = String(repeating: "0.", count: 14)
        let name6 = "e.f.\(zeros)1.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa"
        let answer6 = try #require(try ask(MessageBuilder.query(name6, type: 12)))
        #expect(MessageBuilder.answers(answer6).map(\.data) == [MessageBuilder.name("host.ringway.internal")])
    }

    @Test func `Other names, classes and operations are not ours`() throws {
        #expect(try ask(MessageBuilder.query("other.ringway.internal")) == nil)
        #expect(try ask(MessageBuilder.query("ringway.internal")) == nil)
        #expect(try ask(MessageBuilder.query("1.2.0.192.in-addr.arpa", type: 12)) == nil)
        #expect(try ask(MessageBuilder.query("host.ringway.internal", recordClass: 3)) == nil)
        #expect(try ask(MessageBuilder.query("host.ringway.internal", flags: 0x2800)) == nil)
        #expect(try ask(MessageBuilder.query("host.ringway.internal", recordClass: 255)) != nil)
    }

    @Test func `Options are answered with options, and only then`() throws {
        let plain = try #require(try ask(MessageBuilder.query("host.ringway.internal")))
        #expect(MessageHeader(plain)?.additionalCount == 0)
        let query = MessageBuilder.query("host.ringway.internal", payloadSize: 1400, wantsSecurityRecords: true)
        let extended = try #require(try ask(query))
        #expect(MessageHeader(extended)?.additionalCount == 1)
        #expect(Array(extended.suffix(11)) == [0, 0, 41, 0x04, 0xD0, 0, 0, 0x80, 0, 0, 0])
    }

    @Test func `A later version of the options is refused as RFC 6891 says`() throws {
        let answer = try #require(try ask(MessageBuilder.query("host.ringway.internal", payloadSize: 1400, version: 1)))
        #expect(MessageBuilder.code(answer) == 0)
        #expect(Array(answer.suffix(6).prefix(2)) == [1, 0])
        #expect(MessageBuilder.answerCount(answer) == 0)
    }

    @Test(arguments: ["", ".", "a..b", String(repeating: "x", count: 64)])
    func `What is not a domain name is refused`(name: String) {
        #expect(throws: ResolverFailure.invalidName(name)) { try BuiltinZone([BuiltinName(name: name)]) }
    }
}
