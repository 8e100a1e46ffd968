import Dispatch
import Glibc
import RingwayWire
import Testing

@testable import RingwayResolver

@Suite(.serialized, .timeLimit(.minutes(2))) final class ForwardingTests {
    private var servers: [ScriptedNameserver] = []

    deinit {
        for server in servers { server.stop() }
    }

    /// Answers every query with one address record.
    static let answering: ScriptedNameserver.Script = { query, _ in
        [.message(MessageBuilder.answer(to: query, records: [(1, [192, 0, 2, 7])]))]
    }

    static let silent: ScriptedNameserver.Script = { _, _ in [] }

    static func failing(_ code: UInt16) -> ScriptedNameserver.Script {
        { query, _ in [.message(MessageBuilder.answer(to: query, code: code))] }
    }

    private func resolver(
        _ servers: [ScriptedNameserver], change: (inout Resolver.Configuration) -> Void = { _ in }
    ) throws -> Resolver {
        self.servers += servers
        var configuration = Resolver.Configuration(
            names: [BuiltinName(name: "host.ringway.internal", ipv4: IPv4Address(192, 168, 127, 254))],
            upstreams: servers.map(\.address))
        configuration.limits.retryInterval = .seconds(2)
        configuration.limits.timeout = .seconds(8)
        change(&configuration)
        return try Resolver(configuration)
    }

    @Test func `A built-in name is answered with the tag of its query and asks nobody`() throws {
        let server = try ScriptedNameserver(script: Self.answering)
        let resolver = try resolver([server])
        let shard = ShardSide(datagramsOf: resolver)
        shard.sendDatagram(MessageBuilder.query("host.ringway.internal", identifier: 77), tag: 9)
        let (tag, answer) = try #require(shard.receiveDatagram())
        #expect(tag == ShardSide.tag(9))
        #expect(MessageBuilder.identifier(answer) == 77)
        #expect(MessageBuilder.answers(answer).map(\.data) == [[192, 168, 127, 254]])
        #expect(server.queries.isEmpty)
        #expect(resolver.statistics().builtin == 1 && resolver.statistics().forwarded == 0)
    }

    @Test func `Built-in names can be replaced while it works`() throws {
        let resolver = try resolver([])
        let shard = ShardSide(datagramsOf: resolver)
        try resolver.setNames([BuiltinName(name: "new.ringway.internal", ipv4: IPv4Address(192, 168, 127, 9))])
        let found = try #require(shard.ask(MessageBuilder.query("new.ringway.internal")))
        #expect(MessageBuilder.answers(found).map(\.data) == [[192, 168, 127, 9]])
        let former = try #require(shard.ask(MessageBuilder.query("host.ringway.internal")))
        #expect(MessageBuilder.answers(former).isEmpty)
        #expect(throws: ResolverFailure.self) { try resolver.setNames([BuiltinName(name: "not..one")]) }
    }

    @Test func `A query is forwarded byte for byte but for its identifier, and so is its answer`() throws {
        let odd: [UInt8] = [0x81, 0x93, 7, 7]
        let server = try ScriptedNameserver { query, _ in
            [.message(MessageBuilder.answer(to: query, flags: 0x85B0, records: [(65280, odd)]))]
        }
        let resolver = try resolver([server])
        let shard = ShardSide(datagramsOf: resolver)
        let query = MessageBuilder.query(
            "WeIrD.Example", type: 65280, recordClass: 3, identifier: 0xBEEF, payloadSize: 4000,
            wantsSecurityRecords: true)
        let answer = try #require(shard.ask(query))
        #expect(answer == MessageBuilder.answer(to: query, flags: 0x85B0, records: [(65280, odd)]))
        #expect(server.queries.first.map { Array($0.query[2...]) } == Array(query[2...]))
    }

    @Test func `Identifiers and ports are fresh for each query`() throws {
        let server = try ScriptedNameserver(script: Self.answering)
        let resolver = try resolver([server])
        let shard = ShardSide(datagramsOf: resolver)
        for number in 0..<32 { shard.sendDatagram(MessageBuilder.query("a.test", identifier: 5), tag: UInt8(number)) }
        let tags = try (0..<32).map { _ in try #require(shard.receiveDatagram()).tag[0] }
        #expect(tags.sorted() == Array(0..<32))
        #expect(Set(server.queries.map(\.port)).count >= 30)
        #expect(Set(server.queries.map { MessageBuilder.identifier($0.query) }).count >= 30)
    }

    @Test func `An answer with another identifier, question or source is not taken`() throws {
        let server = try ScriptedNameserver { query, _ in
            let good = MessageBuilder.answer(to: query, records: [(1, [192, 0, 2, 7])])
            let evil = MessageBuilder.answer(to: query, records: [(1, [6, 6, 6, 6])])
            let otherIdentifier = evil.settingIdentifier(MessageBuilder.identifier(query) &+ 1)
            let otherQuestion = MessageBuilder.answer(
                to: MessageBuilder.query("b.test", identifier: MessageBuilder.identifier(query)))
            return [
                .forged(evil), .message(otherIdentifier), .message(otherQuestion), .message([1, 2, 3]), .message(query),
                .message(good),
            ]
        }
        let resolver = try resolver([server])
        let answer = try #require(ShardSide(datagramsOf: resolver).ask(MessageBuilder.query("a.test")))
        #expect(MessageBuilder.answers(answer).map(\.data) == [[192, 0, 2, 7]])
        #expect(resolver.statistics().mismatchedAnswers == 4)
    }

    @Test(arguments: [3, 5, 2, 4] as [UInt16])
    func `The only server's verdict is passed on, whatever it is`(code: UInt16) throws {
        let server = try ScriptedNameserver(script: Self.failing(code))
        let answer = try #require(ShardSide(datagramsOf: try resolver([server])).ask(MessageBuilder.query("a.test")))
        #expect(MessageBuilder.code(answer) == UInt8(code))
    }

    @Test(arguments: [2, 5] as [UInt16])
    func `A server that fails or refuses gives way to the next`(code: UInt16) throws {
        let servers = [
            try ScriptedNameserver(script: Self.failing(code)), try ScriptedNameserver(script: Self.answering),
        ]
        let resolver = try resolver(servers)
        let answer = try #require(ShardSide(datagramsOf: resolver).ask(MessageBuilder.query("a.test")))
        #expect(MessageBuilder.answerCount(answer) == 1)
        #expect(resolver.statistics().timeouts == 0)
    }

    @Test func `NXDOMAIN is an answer: the next server is not asked`() throws {
        let second = try ScriptedNameserver(script: Self.answering)
        let resolver = try resolver([try ScriptedNameserver(script: Self.failing(3)), second])
        let answer = try #require(ShardSide(datagramsOf: resolver).ask(MessageBuilder.query("a.test")))
        #expect(MessageBuilder.code(answer) == 3)
        #expect(second.queries.isEmpty)
    }

    @Test func `When all fail the last failure is passed on`() throws {
        let servers = [
            try ScriptedNameserver(script: Self.failing(2)), try ScriptedNameserver(script: Self.failing(5)),
        ]
        let resolver = try resolver(servers)
        let answer = try #require(ShardSide(datagramsOf: resolver).ask(MessageBuilder.query("a.test")))
        #expect(MessageBuilder.code(answer) == 5)
        #expect(resolver.statistics().serverFailures == 0)
        #expect(resolver.statistics().upstreamFailures == 1)
    }

    @Test func `A server's late answer still counts when the next one has been asked`() throws {
        let secondIsAsked = DispatchSemaphore(value: 0)
        let slow = try ScriptedNameserver { query, _ in
            _ = secondIsAsked.wait(timeout: .now() + .seconds(10))
            return [.message(MessageBuilder.answer(to: query, records: [(1, [192, 0, 2, 1])]))]
        }
        let silent = try ScriptedNameserver { _, _ in
            secondIsAsked.signal()
            return []
        }
        let resolver = try resolver([slow, silent]) { $0.limits.timeout = .seconds(10) }
        let answer = try #require(ShardSide(datagramsOf: resolver).ask(MessageBuilder.query("a.test")))
        #expect(MessageBuilder.answers(answer).map(\.data) == [[192, 0, 2, 1]])
        #expect(silent.queries.count >= 1)
    }

    @Test func `A server that stays silent is passed by, and after some queries asked last`() throws {
        let first = try ScriptedNameserver(script: Self.silent)
        let second = try ScriptedNameserver(script: Self.answering)
        let resolver = try resolver([first, second]) { $0.limits.retryInterval = .seconds(1) }
        let shard = ShardSide(datagramsOf: resolver)
        #expect(MessageBuilder.answerCount(try #require(shard.ask(MessageBuilder.query("a.test")))) == 1)
        #expect(resolver.statistics().timeouts >= 1)
        for _ in 1..<Suspects.threshold { _ = shard.ask(MessageBuilder.query("a.test")) }
        for _ in 0..<10_000 where first.queries.count < Suspects.threshold { _ = poll(nil, 0, 1) }
        let before = first.queries.count
        _ = shard.ask(MessageBuilder.query("a.test"))
        #expect(first.queries.count == before)
    }

    @Test func `SERVFAIL is made here only when nobody answers`() throws {
        let server = try ScriptedNameserver(script: Self.silent)
        let resolver = try resolver([server]) {
            $0.limits.retryInterval = .milliseconds(100)
            $0.limits.timeout = .milliseconds(400)
        }
        let answer = try #require(ShardSide(datagramsOf: resolver).ask(MessageBuilder.query("a.test", identifier: 3)))
        #expect(MessageBuilder.code(answer) == 2)
        #expect(MessageBuilder.identifier(answer) == 3)
        for _ in 0..<10_000 where server.queries.count < 2 { _ = poll(nil, 0, 1) }
        #expect(server.queries.count == 2)
        #expect(resolver.statistics().serverFailures == 1)
        #expect(resolver.statistics().outstanding == 0)
    }

    @Test func `When every host refuses, SERVFAIL comes at once`() throws {
        let closed = try ScriptedNameserver([], script: Self.silent)
        let resolver = try resolver([closed]) { $0.limits.timeout = .seconds(60) }
        let answer = try #require(ShardSide(datagramsOf: resolver).ask(MessageBuilder.query("a.test")))
        #expect(MessageBuilder.code(answer) == 2)
        #expect(resolver.statistics().unreachable == 2, "once by UDP, once by TCP")
    }

    @Test func `Without nameservers every foreign name is SERVFAIL`() throws {
        let resolver = try resolver([])
        let answer = try #require(ShardSide(datagramsOf: resolver).ask(MessageBuilder.query("a.test")))
        #expect(MessageBuilder.code(answer) == 2)
    }

    @Test func `A truncated answer by datagram is passed on as it is`() throws {
        let server = try ScriptedNameserver { query, _ in
            [.message(MessageBuilder.answer(to: query, flags: 0x8380))]
        }
        let answer = try #require(ShardSide(datagramsOf: try resolver([server])).ask(MessageBuilder.query("a.test")))
        #expect(MessageBuilder.isTruncated(answer))
        #expect(server.queries.allSatisfy { !$0.isStream })
    }

    @Test func `A big answer passes whole by datagram`() throws {
        let big = Array(repeating: UInt8(5), count: 4096)
        let server = try ScriptedNameserver { query, _ in
            [.message(MessageBuilder.answer(to: query, records: [(16, big)]))]
        }
        let shard = ShardSide(datagramsOf: try resolver([server]))
        let answer = try #require(shard.ask(MessageBuilder.query("a.test", type: 16, payloadSize: 8192)))
        #expect(MessageBuilder.answers(answer).map(\.data) == [big])
    }

    @Test func `Where only TCP is served, datagrams are answered over it and cut to size`() throws {
        let big = Array(repeating: UInt8(5), count: 2000)
        let server = try ScriptedNameserver(.stream) { query, _ in
            [.message(MessageBuilder.answer(to: query, records: [(16, big)]))]
        }
        let resolver = try resolver([server])
        let shard = ShardSide(datagramsOf: resolver)
        let short = try #require(shard.ask(MessageBuilder.query("a.test", type: 16)))
        #expect(MessageBuilder.isTruncated(short) && short.count <= 512)
        let whole = try #require(shard.ask(MessageBuilder.query("a.test", type: 16, payloadSize: 4096)))
        #expect(MessageBuilder.answers(whole).map(\.data) == [big])
        #expect(resolver.statistics().retriedOverStream == 2)
        #expect(resolver.statistics().truncated == 1)
    }

    @Test func `Malformed queries are dropped and counted, and the next one is answered`() throws {
        let resolver = try resolver([try ScriptedNameserver(script: Self.answering)])
        let shard = ShardSide(datagramsOf: resolver)
        shard.sendDatagram([1, 2, 3])
        shard.sendDatagram(MessageBuilder.query("a.test", flags: 0x8000))
        shard.sendDatagram([])
        #expect(MessageBuilder.answerCount(try #require(shard.ask(MessageBuilder.query("a.test")))) == 1)
        #expect(resolver.statistics().droppedMalformed == 3)
        #expect(resolver.statistics().queries == 4)
    }

    @Test func `One query too many is answered SERVFAIL, and a waiting one is not disturbed`() throws {
        let resolver = try resolver([try ScriptedNameserver(script: Self.silent)]) {
            $0.limits.outstandingQueries = 2
            $0.limits.timeout = .seconds(1)
        }
        let shard = ShardSide(datagramsOf: resolver)
        for tag in [1, 2, 3] as [UInt8] { shard.sendDatagram(MessageBuilder.query("a.test"), tag: tag) }
        let first = try #require(shard.receiveDatagram())
        #expect(first.tag == ShardSide.tag(3))
        #expect(MessageBuilder.code(first.answer) == 2)
        #expect(resolver.statistics().refusedOutstanding == 1)
        #expect(resolver.statistics().outstanding == 2)
        #expect(shard.receiveDatagram() != nil && shard.receiveDatagram() != nil)
    }

    @Test func `Waiting queries may not hold more bytes than the bound`() throws {
        let resolver = try resolver([try ScriptedNameserver(script: Self.silent)]) {
            $0.limits.outstandingBytes = 3000
            $0.limits.timeout = .seconds(60)
        }
        let shard = ShardSide(datagramsOf: resolver)
        var big = MessageBuilder.query("a.test", payloadSize: 1232)
        big.replaceSubrange((big.count - 2)..., with: MessageBuilder.word(2000) + Array(repeating: 0, count: 2000))
        shard.sendDatagram(big, tag: 1)
        shard.sendDatagram(big, tag: 2)
        let refused = try #require(shard.receiveDatagram())
        #expect(refused.tag == ShardSide.tag(2))
        #expect(MessageBuilder.code(refused.answer) == 2)
        #expect(resolver.statistics().refusedOutstanding == 1)
    }

    @Test func `Answers that a shard does not fetch are dropped, and it can go on later`() throws {
        let resolver = try resolver([])
        let shard = ShardSide(datagramsOf: resolver)
        let total: UInt64 = 20_000
        for _ in 0..<total { shard.sendDatagram(MessageBuilder.query("host.ringway.internal")) }
        var received: UInt64 = 0
        // Silence alone is no end.
        for _ in 0..<100 where received + resolver.statistics().droppedClientFull < total {
            while shard.receiveDatagram(within: 300) != nil { received += 1 }
        }
        let statistics = resolver.statistics()
        #expect(statistics.droppedClientFull > 0)
        #expect(received + statistics.droppedClientFull == total)
        #expect(shard.ask(MessageBuilder.query("host.ringway.internal")) != nil)
    }

    @Test func `A shard that goes away takes its queries with it`() throws {
        let server = try ScriptedNameserver(script: Self.silent)
        let resolver = try resolver([server]) { $0.limits.timeout = .seconds(60) }
        let leaving = ShardSide(datagramsOf: resolver)
        let staying = ShardSide(datagramsOf: resolver)
        leaving.sendDatagram(MessageBuilder.query("a.test"))
        leaving.end()
        // The other shard's answers show that the thread has turned meanwhile.
        for _ in 0..<10_000 where resolver.statistics().outstanding > 0 || resolver.statistics().forwarded == 0 {
            _ = staying.ask(MessageBuilder.query("host.ringway.internal"))
        }
        #expect(resolver.statistics().forwarded == 1)
        #expect(resolver.statistics().outstanding == 0)
    }

    @Test func `Stopping closes what was handed over, before and after`() throws {
        let resolver = try resolver([])
        let early = ShardSide(streamOf: resolver)
        resolver.stop()
        resolver.stop()
        #expect(early.isClosed())
        #expect(ShardSide(streamOf: resolver).isClosed())
        #expect(ShardSide(datagramsOf: resolver).isClosed())
    }

    @Test func `Starting and stopping takes milliseconds`() throws {
        let clock = ContinuousClock()
        // The best says most: what else the machine does is not asked.
        var best = Duration.seconds(60)
        for _ in 0..<50 {
            let took = try clock.measure {
                let resolver = try resolver([])
                #expect(ShardSide(datagramsOf: resolver).ask(MessageBuilder.query("host.ringway.internal")) != nil)
                resolver.stop()
            }
            best = min(best, took)
        }
        #expect(best < .milliseconds(100))
    }
}
