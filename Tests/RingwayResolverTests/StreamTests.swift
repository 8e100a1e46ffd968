import RingwayWire
import Testing

@testable import RingwayResolver

@Suite(.serialized, .timeLimit(.minutes(2))) final class StreamTests {
    private var servers: [ScriptedNameserver] = []

    deinit {
        for server in servers { server.stop() }
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

    private func query(_ number: UInt16) -> [UInt8] {
        MessageBuilder.query("name\(number).test", identifier: number)
    }

    @Test func `Pipelined queries are all answered, over one connection to the nameserver`() throws {
        let server = try ScriptedNameserver(script: ForwardingTests.answering)
        let client = ShardSide(streamOf: try resolver([server]))
        let numbers = (1...40).map { UInt16($0) }
        client.sendBytes(numbers.flatMap { MessageBuilder.word(UInt16(query($0).count)) + query($0) })
        var found: Set<UInt16> = []
        for _ in numbers {
            let answer = try #require(client.receiveFramed())
            let number = MessageBuilder.identifier(answer)
            #expect(answer == MessageBuilder.answer(to: query(number), records: [(1, [192, 0, 2, 7])]))
            found.insert(number)
        }
        #expect(found == Set(numbers))
        #expect(server.connectionCount == 1)
        #expect(server.queries.allSatisfy { $0.isStream })
    }

    @Test func `More queries than may wait are read as others are answered`() throws {
        let server = try ScriptedNameserver(script: ForwardingTests.answering)
        let client = ShardSide(streamOf: try resolver([server]) { $0.limits.queriesPerStream = 2 })
        let numbers = (1...50).map { UInt16($0) }
        client.sendBytes(numbers.flatMap { MessageBuilder.word(UInt16(query($0).count)) + query($0) })
        let found = try numbers.map { _ in MessageBuilder.identifier(try #require(client.receiveFramed())) }
        #expect(Set(found) == Set(numbers))
    }

    @Test func `An answer that is ready first comes first`() throws {
        let server = try ScriptedNameserver(script: ForwardingTests.silent)
        let resolver = try resolver([server]) {
            $0.limits.retryInterval = .milliseconds(100)
            $0.limits.timeout = .milliseconds(600)
        }
        let client = ShardSide(streamOf: resolver)
        client.sendFramed(query(1), MessageBuilder.query("host.ringway.internal", identifier: 2))
        #expect(MessageBuilder.identifier(try #require(client.receiveFramed())) == 2)
        let second = try #require(client.receiveFramed())
        #expect(MessageBuilder.identifier(second) == 1)
        #expect(MessageBuilder.code(second) == 2)
    }

    @Test func `Queries may come byte by byte`() throws {
        let client = ShardSide(streamOf: try resolver([try ScriptedNameserver(script: ForwardingTests.answering)]))
        let message = query(5)
        for byte in MessageBuilder.word(UInt16(message.count)) + message { client.sendBytes([byte]) }
        #expect(MessageBuilder.identifier(try #require(client.receiveFramed())) == 5)
    }

    @Test func `A client that has finished sending gets its answers, then the end`() throws {
        let client = ShardSide(streamOf: try resolver([try ScriptedNameserver(script: ForwardingTests.answering)]))
        client.sendFramed(query(1), query(2), query(3))
        client.finishSending()
        let found = try (0..<3).map { _ in MessageBuilder.identifier(try #require(client.receiveFramed())) }
        #expect(Set(found) == [1, 2, 3])
        #expect(client.isClosed())
    }

    @Test(arguments: [[0, 3, 1, 2, 3], [0, 0]] as [[UInt8]])
    func `A malformed query closes the connection`(bytes: [UInt8]) throws {
        let resolver = try resolver([])
        let client = ShardSide(streamOf: resolver)
        client.sendBytes(bytes)
        #expect(client.isClosed())
        #expect(resolver.statistics().droppedMalformed == 1)
    }

    @Test func `An idle connection is closed, one with a query waiting is not`() throws {
        let silent = try ScriptedNameserver(script: ForwardingTests.silent)
        let resolver = try resolver([silent]) {
            $0.limits.retryInterval = .milliseconds(100)
            $0.limits.timeout = .milliseconds(600)
            $0.limits.clientStreamIdle = .seconds(1)
        }
        let idle = ShardSide(streamOf: resolver)
        let waiting = ShardSide(streamOf: resolver)
        waiting.sendFramed(query(1))
        #expect(idle.isClosed())
        #expect(MessageBuilder.code(try #require(waiting.receiveFramed())) == 2)
        #expect(waiting.isClosed())
        #expect(resolver.statistics().streamsIdle == 2)
    }

    @Test func `One connection too many takes the place of the one idle longest`() throws {
        let resolver = try resolver([]) { $0.limits.clientStreams = 2 }
        let first = ShardSide(streamOf: resolver)
        first.sendFramed(MessageBuilder.query("host.ringway.internal"))
        #expect(first.receiveFramed() != nil)
        let second = ShardSide(streamOf: resolver)
        second.sendFramed(MessageBuilder.query("host.ringway.internal"))
        #expect(second.receiveFramed() != nil)
        let third = ShardSide(streamOf: resolver)
        #expect(first.isClosed())
        third.sendFramed(MessageBuilder.query("host.ringway.internal"))
        #expect(third.receiveFramed() != nil)
        #expect(resolver.statistics().streams == 2)
    }

    @Test func `With every connection busy a new one is refused`() throws {
        let resolver = try resolver([try ScriptedNameserver(script: ForwardingTests.silent)]) {
            $0.limits.clientStreams = 1
            $0.limits.timeout = .seconds(60)
        }
        let busy = ShardSide(streamOf: resolver)
        busy.sendFramed(query(1), MessageBuilder.query("host.ringway.internal"))
        #expect(busy.receiveFramed() != nil)
        #expect(ShardSide(streamOf: resolver).isClosed())
        #expect(resolver.statistics().streamsRefused == 1)
    }

    @Test func `A client that reads no answers is held up, and loses none`() throws {
        let big = Array(repeating: UInt8(3), count: 60_000)
        let server = try ScriptedNameserver { query, _ in
            [.message(MessageBuilder.answer(to: query, records: [(16, big)]))]
        }
        let resolver = try resolver([server]) {
            $0.limits.queriesPerStream = 4
            $0.limits.timeout = .seconds(20)
        }
        let client = ShardSide(streamOf: resolver)
        let numbers = (1...60).map { UInt16($0) }
        client.sendBytes(numbers.flatMap { MessageBuilder.word(UInt16(query($0).count)) + query($0) })
        let found = try numbers.map { _ in MessageBuilder.identifier(try #require(client.receiveFramed())) }
        #expect(Set(found) == Set(numbers))
        #expect(resolver.statistics().streamsOverflowed == 0)
    }

    @Test func `A client that lets answers pile up beyond the bound is closed`() throws {
        let big = Array(repeating: UInt8(3), count: 60_000)
        let server = try ScriptedNameserver { query, _ in
            (0..<40).map { _ in .message(MessageBuilder.answer(to: query, records: [(16, big)])) }
        }
        let resolver = try resolver([server]) {
            $0.limits.unreadBytesPerStream = 200_000
            $0.limits.timeout = .seconds(20)
        }
        let client = ShardSide(streamOf: resolver)
        let watcher = ShardSide(datagramsOf: resolver)
        client.sendFramed(MessageBuilder.query("zone.test", type: 252))
        // What is counted first is why; the stream ends right after.
        for _ in 0..<100_000 where resolver.statistics().streamsOverflowed == 0 || resolver.statistics().streams != 0 {
            _ = watcher.ask(MessageBuilder.query("host.ringway.internal"))
        }
        #expect(resolver.statistics().streamsOverflowed == 1)
        #expect(resolver.statistics().streams == 0)
    }

    @Test func `Where TCP is refused the query goes by datagram`() throws {
        let server = try ScriptedNameserver(.datagram, script: ForwardingTests.answering)
        let resolver = try resolver([server])
        let client = ShardSide(streamOf: resolver)
        client.sendFramed(query(1))
        #expect(MessageBuilder.answerCount(try #require(client.receiveFramed())) == 1)
        #expect(resolver.statistics().retriedOverDatagram == 1)
    }

    @Test func `A server that refuses TCP gives way to the next that takes it`() throws {
        let first = try ScriptedNameserver(.datagram, script: ForwardingTests.answering)
        let second = try ScriptedNameserver(script: ForwardingTests.answering)
        let resolver = try resolver([first, second])
        let client = ShardSide(streamOf: resolver)
        client.sendFramed(query(1))
        #expect(MessageBuilder.answerCount(try #require(client.receiveFramed())) == 1)
        #expect(first.queries.isEmpty)
        #expect(second.queries.count == 1)
    }

    @Test func `A server that closes after each answer is asked over a new connection`() throws {
        let server = try ScriptedNameserver { query, _ in
            [.message(MessageBuilder.answer(to: query, records: [(1, [192, 0, 2, 7])])), .hangUp]
        }
        let resolver = try resolver([server]) { $0.limits.timeout = .seconds(20) }
        let client = ShardSide(streamOf: resolver)
        client.sendFramed(query(1), query(2), query(3), query(4))
        let found = try (0..<4).map { _ in MessageBuilder.identifier(try #require(client.receiveFramed())) }
        #expect(Set(found) == [1, 2, 3, 4])
        #expect(resolver.statistics().retriedOverDatagram == 0)
    }

    @Test func `A zone transfer passes with all its messages`() throws {
        let server = try ScriptedNameserver { query, _ in
            (1...5).map { .message(MessageBuilder.answer(to: query, records: [(1, [192, 0, 2, $0])])) }
        }
        let client = ShardSide(streamOf: try resolver([server]))
        client.sendFramed(MessageBuilder.query("zone.test", type: 252, identifier: 42))
        for number in 1...5 as ClosedRange<UInt8> {
            let message = try #require(client.receiveFramed())
            #expect(MessageBuilder.identifier(message) == 42)
            #expect(MessageBuilder.answers(message).map(\.data) == [[192, 0, 2, number]])
        }
    }

    enum Ending: CaseIterable { case abrupt, afterFinishing, whileHeldUp }

    @Test(arguments: Ending.allCases)
    func `A client that vanishes with a query waiting leaves nothing behind`(ending: Ending) throws {
        let resolver = try resolver([try ScriptedNameserver(script: ForwardingTests.silent)]) {
            $0.limits.timeout = .seconds(60)
            $0.limits.queriesPerStream = ending == .whileHeldUp ? 1 : 64
        }
        let leaving = ShardSide(streamOf: resolver)
        let staying = ShardSide(datagramsOf: resolver)
        leaving.sendFramed(query(1))
        leaving.sendBytes([0, 50, 1])
        if ending == .afterFinishing { leaving.finishSending() }
        for _ in 0..<100_000 where resolver.statistics().outstanding == 0 {
            _ = staying.ask(MessageBuilder.query("host.ringway.internal"))
        }
        leaving.end()
        for _ in 0..<100_000 where resolver.statistics().streams > 0 {
            _ = staying.ask(MessageBuilder.query("host.ringway.internal"))
        }
        #expect(resolver.statistics().streams == 0)
        #expect(resolver.statistics().outstanding == 0)
    }
}
