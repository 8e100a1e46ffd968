import RingwayModel
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

    private func ask(_ bytes: [UInt8]) throws -> [UInt8]? {
        zone.answer(to: try #require(Query(bytes)))
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

    @Test func `An address resolves to the first name that has it`() throws {
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

    @Test func `A later version of EDNS is refused as RFC 6891 requires`() throws {
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

/// Names of our own zones are answered here, without a query to a nameserver.
@Suite struct OwnZoneTests {
    let own: OwnNetwork
    let zone: BuiltinZone

    init() throws {
        own = OwnNetwork(
            domain: "ringway.internal",
            blocks: [try #require(CIDRBlock("192.168.127.0/24")), try #require(CIDRBlock("fd00:1:2:3::/64"))])
        zone = try BuiltinZone(
            [
                BuiltinName(
                    name: "host.ringway.internal", ipv4: IPv4Address(192, 168, 127, 254),
                    ipv6: IPv6Address(high: 0xFD00_0001_0002_0003, low: 0xFE)),
                BuiltinName(name: "host.docker.internal", ipv4: IPv4Address(192, 168, 127, 254)),
                BuiltinName(name: "*.Dev.example", ipv4: IPv4Address(10, 0, 0, 5)),
                BuiltinName(name: "a.b.dev.example", ipv4: IPv4Address(10, 0, 0, 6)),
                BuiltinName(name: "db.example", ipv6: IPv6Address(high: 0x2001_0DB8_0000_0000, low: 1)),
            ], own: own)
    }

    private func ask(_ name: String, _ type: UInt16 = 1, hasIPv6: Bool = true) throws -> [UInt8]? {
        zone.answer(to: try #require(Query(MessageBuilder.query(name, type: type))), hasIPv6: hasIPv6)
    }

    /// The response code of an answer without records, and the zone of its SOA.
    private func denial(_ name: String, _ type: UInt16 = 1) throws -> String? {
        guard let answer = try ask(name, type), let header = MessageHeader(answer) else { return nil }
        #expect(header.answerCount == 0 && header.authorityCount == 1 && header.flags.contains(.authoritative))
        var reader = MessageReader(answer, at: 12)
        let isSkipped = reader.skipQuestions(1)
        try #require(isSkipped)
        let start = reader.offset
        let next = reader.readRecord()
        let record = try #require(next)
        #expect(record.type == 6 && record.timeToLive == StartOfAuthority.negativeTimeToLive)
        #expect(reader.offset == answer.count)
        let pointer = (Int(answer[start]) & 0x3F) << 8 | Int(answer[start + 1])
        var named = MessageReader(answer, at: pointer)
        var labels: [String] = []
        let owner = named.readPlainName()
        var name = try #require(owner)[...]
        while let length = name.first, length > 0 {
            labels.append(String(decoding: name.dropFirst().prefix(Int(length)), as: UTF8.self))
            name = name.dropFirst(Int(length) + 1)
        }
        return "\(header.flags.responseCode.rawValue) \(labels.joined(separator: "."))"
    }

    @Test(arguments: [
        ("nosuch.ringway.internal", "3 ringway.internal"),
        ("x.host.ringway.internal", "3 ringway.internal"),
        ("ringway.internal", "0 ringway.internal"),
        ("77.127.168.192.in-addr.arpa", "3 127.168.192.in-addr.arpa"),
        ("127.168.192.in-addr.arpa", "0 127.168.192.in-addr.arpa"),
        ("1.e.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa", "3 3.0.0.0.2.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa"),
    ]) func `What does not exist is denied by the zone it would be in`(name: String, denial: String) throws {
        #expect(try self.denial(name) == denial)
    }

    @Test func `A name that exists has no data of other types, wherever it is`() throws {
        #expect(try denial("host.ringway.internal", 15) == "0 ringway.internal")
        #expect(try denial("host.docker.internal", 28) == "0 host.docker.internal")
    }

    @Test func `Names of others are asked of others`() throws {
        for name in [
            "example.org", "docker.internal", "nosuch.docker.internal", "internal", "dev.example", "in-addr.arpa",
        ] {
            #expect(try ask(name) == nil, "\(name)")
        }
        #expect(try ask("1.128.168.192.in-addr.arpa", 12) == nil)
        #expect(try ask("168.192.in-addr.arpa", 6) == nil)
    }

    @Test func `The zones have authorities`() throws {
        let authority = try #require(try ask("RINGWAY.internal", 6))
        #expect(MessageBuilder.answers(authority).map(\.type) == [6])
        let servers = try #require(try ask("127.168.192.in-addr.arpa", 2))
        #expect(MessageBuilder.answers(servers).map(\.data) == [MessageBuilder.name("gateway.ringway.internal")])
    }

    @Test func `A wildcard stands for what lies below it and does not exist itself`() throws {
        for name in ["x.dev.example", "y.X.dev.example", "*.dev.example"] {
            let answer = try #require(try ask(name), "\(name)")
            #expect(MessageBuilder.answers(answer).map(\.data) == [[10, 0, 0, 5]], "\(name)")
        }
        let exact = try #require(try ask("a.b.dev.example"))
        #expect(MessageBuilder.answers(exact).map(\.data) == [[10, 0, 0, 6]])
        // RFC 4592 §2.2.1: an existing name, even an empty non-terminal, blocks the wildcard for itself and below.
        #expect(try denial("b.dev.example") == "0 dev.example")
        #expect(try denial("c.b.dev.example") == "3 dev.example")
        #expect(try denial("x.dev.example", 28) == "0 dev.example")
        // Reverse lookups do not return a wildcard.
        #expect(try ask("5.0.0.10.in-addr.arpa", 12) == nil)
    }

    @Test func `A wildcard of the root stands for names with any last label`() throws {
        let zone = try BuiltinZone([BuiltinName(name: "*", ipv4: IPv4Address(10, 0, 0, 7))])
        let query = try #require(Query(MessageBuilder.query("www.example.org", type: 1)))
        let answer = try #require(zone.answer(to: query))
        #expect(MessageBuilder.answers(answer).map(\.data) == [[10, 0, 0, 7]])
    }

    @Test func `A client without IPv6 gets no IPv6 address of the network`() throws {
        #expect(MessageBuilder.answerCount(try #require(try ask("host.ringway.internal", 28))) == 1)
        let denied = try #require(try ask("host.ringway.internal", 28, hasIPv6: false))
        #expect(MessageBuilder.code(denied) == 0 && MessageBuilder.answerCount(denied) == 0)
        let all = try #require(try ask("host.ringway.internal", 255, hasIPv6: false))
        #expect(MessageBuilder.answers(all).map(\.type) == [1])
        // Configured names are returned as configured.
        #expect(MessageBuilder.answerCount(try #require(try ask("db.example", 28, hasIPv6: false))) == 1)
    }

    @Test(arguments: [
        ("10.0.0.0/8", ["10.in-addr.arpa"]), ("172.16.0.0/15", ["16.172.in-addr.arpa", "17.172.in-addr.arpa"]),
        (
            "10.1.2.4/30",
            ["4.2.1.10.in-addr.arpa", "5.2.1.10.in-addr.arpa", "6.2.1.10.in-addr.arpa", "7.2.1.10.in-addr.arpa"]
        ),
        ("fd00::/62", (0..<4).map { "\($0).0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa" }),
    ]) func `A block that ends within a label has several zones`(block: String, zones: [String]) throws {
        let own = OwnNetwork(blocks: [try #require(CIDRBlock(block))])
        #expect(Set(own.reverseZones) == Set(zones.map { MessageBuilder.name($0) }))
    }
}
