import Glibc
import RingwayModel
import RingwayStorage
import RingwaySystem
import Testing

@testable import RingwayResolver

/// A resolver whose sockets to its nameserver are counted.
@Suite("Sockets to nameservers", .serialized, .timeLimit(.minutes(1)))
final class UpstreamSocketsTests {
    private var servers: [ScriptedNameserver] = []

    deinit {
        for server in servers { server.stop() }
    }

    /// Answers names that begin with "a".
    private static let selective: ScriptedNameserver.Script = { query, _ in
        guard query[13] == UInt8(ascii: "a") else { return [] }
        return [.message(MessageBuilder.answer(to: query, records: [(1, [192, 0, 2, 7])]))]
    }

    private func nameserver(on host: IPv4Address = .loopback, port: UInt16 = 0) throws -> ScriptedNameserver {
        let server = try ScriptedNameserver(.datagram, on: host, port: port, script: Self.selective)
        servers.append(server)
        return server
    }

    private static func resolver(_ upstreams: [TransportAddress], descriptors: Int) throws -> (
        Resolver, DescriptorShare
    ) {
        let share = try #require(DescriptorBudget(limit: descriptors).join(standing: 0))
        var configuration = Resolver.Configuration(upstreams: upstreams)
        configuration.descriptors = share
        configuration.limits.retryInterval = .milliseconds(50)
        return (try Resolver(configuration), share)
    }

    private func waitUntil(_ condition: () -> Bool) -> Bool {
        for _ in 0..<10_000 {
            if condition() { return true }
            _ = poll(nil, 0, 1)
        }
        return false
    }

    @Test func `serve queries one after the other, each from another port`() throws {
        let server = try nameserver()
        let (resolver, share) = try Self.resolver([server.address], descriptors: 1_024)
        let shard = ShardSide(datagramsOf: resolver)
        for _ in 0..<40 {
            _ = try #require(shard.ask(MessageBuilder.query("a.test")))
            #expect(share.held <= 1)
        }
        #expect(Set(server.queries.map(\.port)).count >= 35)
    }

    /// The resolver's state without its thread.
    private static func service(_ descriptors: DescriptorShare) throws -> Service {
        var configuration = Resolver.Configuration(upstreams: [])
        configuration.descriptors = descriptors
        return Service(
            on: try EventLoop(), configuration, zone: CurrentZone(try BuiltinZone([]), forwards: true),
            board: StatisticsBoard())
    }

    @Test func `are kept up to a bound, and used again`() throws {
        let share = try #require(DescriptorBudget(limit: 4_096).join(standing: 0))
        let service = try Self.service(share)
        let taken = try (0..<UpstreamSockets.capacity + 5).map { _ in try service.sockets.take(family: AF_INET) }
        for socket in taken { service.sockets.put(socket) }
        #expect(service.sockets.idleCount == UpstreamSockets.capacity && share.held == UpstreamSockets.capacity)
        let again = try service.sockets.take(family: AF_INET)
        #expect(taken.contains { $0 === again } && share.held == UpstreamSockets.capacity)
        service.sockets.put(again)
        service.stop()
        #expect(share.held == 0)
    }

    @Test func `are closed when they were idle for a while`() throws {
        let share = try #require(DescriptorBudget(limit: 4_096).join(standing: 0))
        let service = try Self.service(share)
        service.sockets.put(try service.sockets.take(family: AF_INET))
        #expect(service.sockets.isScheduled)
        service.sockets.deadlinePassed(now: .max)
        #expect(share.held == 0 && service.loop.registeredCount == 0)
        service.stop()
    }

    @Test func `are not kept while descriptors are short`() throws {
        let budget = DescriptorBudget(limit: 256)
        let (share, other) = (try #require(budget.join(standing: 0)), try #require(budget.join(standing: 0)))
        while other.acquire() == .granted {}
        for _ in 0..<share.fairShare { _ = share.acquire() }
        let held = share.held
        share.release()
        let service = try Self.service(share)
        service.sockets.put(try service.sockets.take(family: AF_INET))
        #expect(service.sockets.idleCount == 0 && share.held == held - 1)
        service.stop()
    }

    @Test func `of one family make room for those of the other`() throws {
        let share = try #require(DescriptorBudget(limit: 4_096).join(standing: 0))
        let service = try Self.service(share)
        service.sockets.put(try service.sockets.take(family: AF_INET))
        // The share holds one socket less than all the member may have.
        while share.acquire(mayBorrow: false) == .granted {}
        let socket = try service.sockets.take(family: AF_INET6)
        #expect(socket.family == AF_INET6 && service.sockets.idleCount == 0)
        socket.close()
        service.stop()
    }

    @Test func `that were refused are not used again`() throws {
        let server = try nameserver()
        // A port that was free a moment ago.
        let closed = try ScriptedNameserver(.stream, on: IPv4Address(127, 0, 0, 5), script: Self.selective)
        servers.append(closed)
        let (resolver, _) = try Self.resolver([closed.address, server.address], descriptors: 1_024)
        let shard = ShardSide(datagramsOf: resolver)
        for _ in 0..<10 {
            let answer = try #require(shard.ask(MessageBuilder.query("a.test")))
            #expect(MessageBuilder.answers(answer).map(\.data) == [[192, 0, 2, 7]])
        }
        // The second nameserver's answers are no refusals: its sockets carry no error of the first one's.
        #expect(resolver.statistics().unreachable == 10 && resolver.statistics().mismatchedAnswers == 0)
    }

    @Test func `whose query ended without an answer give their port back`() throws {
        let server = try nameserver()
        let (resolver, share) = try Self.resolver([server.address], descriptors: 1_024)
        let shard = ShardSide(datagramsOf: resolver)
        let client = ShardSide(datagramsOf: resolver)
        for number in 1...8 as ClosedRange<UInt8> { shard.sendDatagram(MessageBuilder.query("b.test"), tag: number) }
        #expect(waitUntil { server.queries.count >= 8 })
        shard.end()
        #expect(waitUntil { resolver.statistics().outstanding == 0 })
        let before = Set(server.queries.map(\.port))
        for _ in 0..<8 { _ = try #require(client.ask(MessageBuilder.query("a.test"))) }
        let after = server.queries.filter { $0.query[13] == UInt8(ascii: "a") }.map(\.port)
        #expect(before.intersection(after).count <= 1)
        #expect(waitUntil { share.held == 0 })
    }
}
