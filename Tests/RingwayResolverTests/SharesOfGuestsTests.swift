import Dispatch
import Glibc
import RingwayModel
import Testing

@testable import RingwayResolver

/// A resolver with two guests, one of which sends queries that no nameserver answers.
@Suite(.serialized, .timeLimit(.minutes(2))) final class SharesOfGuestsTests {
    private var servers: [ScriptedNameserver] = []

    deinit {
        for server in servers { server.stop() }
    }

    /// Answers names that begin with "g".
    private static let selective: ScriptedNameserver.Script = { query, _ in
        guard query[13] == UInt8(ascii: "g") else { return [] }
        return [.message(MessageBuilder.answer(to: query, records: [(1, [192, 0, 2, 7])]))]
    }

    private func resolver(change: (inout Resolver.Limits) -> Void) throws -> Resolver {
        let server = try ScriptedNameserver(script: Self.selective)
        servers.append(server)
        var configuration = Resolver.Configuration(upstreams: [server.address])
        configuration.limits.retryInterval = .seconds(20)
        configuration.limits.timeout = .seconds(60)
        change(&configuration.limits)
        return try Resolver(configuration)
    }

    private func waitUntil(_ condition: () -> Bool) -> Bool {
        for _ in 0..<10_000 {
            if condition() { return true }
            _ = poll(nil, 0, 1)
        }
        return false
    }

    @Test func `A guest that has every place gives up its oldest query for another guest`() throws {
        let resolver = try resolver { $0.outstandingQueries = 8 }
        let (hostile, good) = (ShardSide(datagramsOf: resolver, guest: 1), ShardSide(datagramsOf: resolver, guest: 2))
        for tag in 1...8 as ClosedRange<UInt8> { hostile.sendDatagram(MessageBuilder.query("bad.test"), tag: tag) }
        #expect(waitUntil { resolver.statistics().outstanding == 8 })
        for _ in 0..<20 {
            let answer = try #require(good.ask(MessageBuilder.query("good.test")))
            #expect(MessageBuilder.answers(answer).map(\.data) == [[192, 0, 2, 7]])
        }
        let displaced = try #require(hostile.receiveDatagram())
        #expect(displaced.tag == ShardSide.tag(1) && MessageBuilder.code(displaced.answer) == 2)
        #expect(resolver.statistics().displaced == 1 && resolver.statistics().outstanding == 7)
        // Its own excess queries are refused, as before.
        for tag in 9...10 as ClosedRange<UInt8> { hostile.sendDatagram(MessageBuilder.query("bad.test"), tag: tag) }
        #expect(try #require(hostile.receiveDatagram()).tag == ShardSide.tag(10))
        #expect(resolver.statistics().refusedOutstanding == 1)
    }

    @Test func `Long queries of one guest leave the bytes of another guest's`() throws {
        let resolver = try resolver { $0.outstandingBytes = 6_000 }
        let (hostile, good) = (ShardSide(datagramsOf: resolver, guest: 1), ShardSide(datagramsOf: resolver, guest: 2))
        var long = MessageBuilder.query("bad.test", payloadSize: 1_232)
        long.replaceSubrange((long.count - 2)..., with: MessageBuilder.word(2_900) + Array(repeating: 0, count: 2_900))
        hostile.sendDatagram(long, tag: 1)
        hostile.sendDatagram(long, tag: 2)
        #expect(waitUntil { resolver.statistics().outstanding == 2 })
        var other = MessageBuilder.query("good.test", payloadSize: 1_232)
        other.replaceSubrange((other.count - 2)..., with: MessageBuilder.word(500) + Array(repeating: 0, count: 500))
        #expect(MessageBuilder.answerCount(try #require(good.ask(other))) == 1)
        #expect(try #require(hostile.receiveDatagram()).tag == ShardSide.tag(1))
    }

    @Test func `Connections of one guest, all with queries waiting, leave one to another guest`() throws {
        let resolver = try resolver { $0.clientStreams = 4 }
        let hostile = (0..<4).map { _ in ShardSide(streamOf: resolver, guest: 1) }
        // Idle connections are closed.
        defer { withExtendedLifetime(hostile) {} }
        for stream in hostile { stream.sendFramed(MessageBuilder.query("bad.test")) }
        #expect(waitUntil { resolver.statistics().outstanding == 4 })
        let good = ShardSide(streamOf: resolver, guest: 2)
        good.sendFramed(MessageBuilder.query("good.test"))
        #expect(MessageBuilder.answerCount(try #require(good.receiveFramed())) == 1)
        #expect(resolver.statistics().streamsDisplaced == 1)
        let further = ShardSide(streamOf: resolver, guest: 1)
        #expect(further.isClosed())
        #expect(resolver.statistics().streamsRefused == 1)
    }

    @Test func `Connections to nameservers of one guest's are given up for another guest`() throws {
        let resolver = try resolver { $0.upstreamStreams = 3 }
        let hostile = (0..<3).map { _ in ShardSide(streamOf: resolver, guest: 1) }
        // Idle connections are closed.
        defer { withExtendedLifetime(hostile) {} }
        for stream in hostile { stream.sendFramed(MessageBuilder.query("bad.test")) }
        #expect(waitUntil { self.servers[0].connectionCount == 3 })
        let good = ShardSide(streamOf: resolver, guest: 2)
        good.sendFramed(MessageBuilder.query("good.test"))
        #expect(MessageBuilder.answerCount(try #require(good.receiveFramed())) == 1)
        #expect(servers[0].queries.last { $0.query[13] == UInt8(ascii: "g") }?.isStream == true)
        #expect(resolver.statistics().upstreamStreamsRefused <= 1)
    }
}
