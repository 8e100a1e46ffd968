import Foundation
import RingwayAgentHost
import RingwayAgentProtocol
import RingwayModel
import RingwaySystem
import Synchronization
import Testing

@Suite("The host's side", .timeLimit(.minutes(5)))
struct AgentHostTests {
    @Test func `admits an agent once all of its queues are connected`() throws {
        let house = try House()
        let session = SessionIdentifier.random()
        let agent = try house.call()
        agent.say(control(session, queues: 2))
        var queues: [Caller] = []
        for index in [1, 0] as [UInt16] {
            let queue = try house.call()
            queue.say(.hello(Hello(role: .frames(queue: index, of: 2), session: session, token: [])))
            #expect(try queue.hear() == .welcome(Welcome()))
            queues.append(queue)
        }
        #expect(try agent.hear() == .welcome(Welcome(readyStreams: 1, wantsPorts: true)))
        #expect(house.reception.memory.withLock { $0.queues } == [2])
        agent.hangUp()
        try house.wait("the disconnection") { $0.disconnected == 1 }
    }

    @Test(
        "closes what is no agent",
        arguments: ["GET / HTTP/1.1\r\n\r\n", "\0\0\0\0\0\0\0\0", "\u{7F}\u{7F}\0\0\u{1}\0\0\0"])
    func closesStrangers(text: String) throws {
        let house = try House()
        let stranger = try house.call()
        stranger.say(Array(text.utf8))
        #expect(try stranger.hear() == nil)
    }

    @Test func `refuses a wrong token`() throws {
        let house = try House(token: "right")
        let stranger = try house.call()
        stranger.say(control(.random(), queues: 0, token: "wrong"))
        guard case .refusal(let refusal) = try stranger.hear() else {
            Issue.record("no refusal")
            return
        }
        #expect(refusal.errorNumber == EACCES)
    }

    @Test("refuses connections of no session", arguments: [Hello.Role.stream, .frames(queue: 0, of: 1)])
    func refusesOrphans(role: Hello.Role) throws {
        let house = try House()
        let stranger = try house.call()
        stranger.say(.hello(Hello(role: role, session: .random(), token: [])))
        guard case .refusal(let refusal) = try stranger.hear() else {
            Issue.record("no refusal")
            return
        }
        #expect(refusal.errorNumber == ENOTCONN)
    }

    @Test func `refuses a queue that is there already`() throws {
        let house = try House()
        let session = SessionIdentifier.random()
        let agent = try house.call()
        agent.say(control(session, queues: 2))
        let hello = AgentMessage.hello(Hello(role: .frames(queue: 0, of: 2), session: session, token: []))
        let (first, second) = (try house.call(), try house.call())
        first.say(hello)
        #expect(try first.hear() == .welcome(Welcome()))
        second.say(hello)
        guard case .refusal = try second.hear() else {
            Issue.record("no refusal")
            return
        }
    }

    @Test func `ends a session whose agent sends an invalid message`() throws {
        let house = try House()
        let agent = try house.call()
        agent.say(control(.random(), queues: 0))
        _ = try agent.hear()
        _ = try agent.hear()
        agent.say(.moreStreams(1))
        #expect(try agent.hear() == nil)
        try house.wait("the disconnection") { $0.disconnected == 1 }
    }

    @Test func `grants a port once, and frees it with the session`() throws {
        let house = try House()
        var callers: [Caller] = []
        for _ in 0..<2 {
            let agent = try house.call()
            agent.say(control(.random(), queues: 0))
            // The welcome, and the time of day.
            _ = try agent.hear()
            _ = try agent.hear()
            callers.append(agent)
        }
        func ask(_ agent: Caller, _ port: UInt16) throws -> PublishAnswer? {
            let loopback = IPAddress(IPv4Address(127, 0, 0, 1))
            agent.say(
                .publish(
                    PublishRequest(
                        number: 5, transport: .tcp, host: TransportAddress(address: loopback, port: port),
                        guest: TransportAddress(address: loopback, port: 80))))
            guard case .published(let answer) = try agent.hear() else { return nil }
            return answer
        }
        let granted = try #require(try ask(callers[0], 0))
        #expect(granted.refusal == nil)
        #expect(granted.port != 0)
        #expect(try ask(callers[1], granted.port)?.refusal?.errorNumber == EADDRINUSE)
        callers[0].hangUp()
        try house.wait("the disconnection") { $0.disconnected == 1 }
        #expect(try ask(callers[1], granted.port)?.refusal == nil)
    }

    @Test func `reports every port of an agent, every refusal, and every release`() throws {
        let house = try House()
        let agent = try house.call()
        agent.say(control(.random(), queues: 0))
        for _ in 0..<2 { _ = try agent.hear() }
        let loopback = IPAddress(IPv4Address(127, 0, 0, 1))
        func ask(_ number: UInt32, _ port: UInt16) throws -> UInt16 {
            agent.say(
                .publish(
                    PublishRequest(
                        number: number, transport: .tcp, host: TransportAddress(address: loopback, port: port),
                        guest: TransportAddress(address: loopback, port: 80))))
            guard case .published(let answer) = try agent.hear() else { return 0 }
            return answer.port
        }
        let port = try ask(1, 0)
        _ = try ask(2, port)
        // A duplicate number is not another port.
        _ = try ask(1, port)
        agent.say(.unpublish(2))
        agent.say(.unpublish(1))
        try house.wait("the end of both") { $0.requests.count == 4 }
        #expect(
            house.reception.memory.withLock { $0.requests } == [
                "1 at 127.0.0.1:\(port)", "2 not at 127.0.0.1:\(port): \(EADDRINUSE)", "2 is over", "1 is over",
            ])
    }

    @Test func `asks the reception how many ports an agent may have, with how many it has`() throws {
        let house = try House()
        let agent = try house.call()
        agent.say(control(.random(), queues: 0))
        for _ in 0..<2 { _ = try agent.hear() }
        let loopback = IPAddress(IPv4Address(127, 0, 0, 1))
        func ask(_ number: UInt32) throws -> Refusal? {
            agent.say(
                .publish(
                    PublishRequest(
                        number: number, transport: .tcp, host: TransportAddress(address: loopback, port: 0),
                        guest: TransportAddress(address: loopback, port: 80))))
            guard case .published(let answer) = try agent.hear() else { throw AgentProtocolFailure.invalidValue }
            return answer.refusal
        }
        for number in 1...Reception.most { #expect(try ask(UInt32(number)) == nil) }
        #expect(try ask(100)?.text == "8 are enough")
        agent.say(.unpublish(3))
        #expect(try ask(101) == nil)
        #expect(try ask(102)?.errorNumber == ENOSPC)
    }

    @Test func `lists the connections that it carries itself, with both ends`() throws {
        let house = try House()
        let session = SessionIdentifier.random()
        let caller = try house.call()
        caller.say(control(session, queues: 0))
        for _ in 0..<2 { _ = try caller.hear() }
        let agent = try #require(house.reception.memory.withLock { $0.agents.first })
        let loopback = IPAddress(IPv4Address(127, 0, 0, 1))
        let target = DialTarget(.tcp(TransportAddress(address: loopback, port: 80)))
        let (listener, port) = try PublishedSocket.open(
            PublishRequest(
                number: 0, transport: .tcp, host: TransportAddress(address: loopback, port: 0),
                guest: TransportAddress(address: loopback, port: 80)))
        agent.forward(OwnedDescriptor(adopting: listener), to: target, number: 7)
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(client) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(connected == 0)
        guard case .moreStreams = try caller.hear() else {
            Issue.record("no stream is asked for")
            return
        }
        let stream = try house.call()
        stream.say(.hello(Hello(role: .stream, session: session, token: [])))
        _ = try stream.hear()
        #expect(try stream.hear() == .dial(target))
        stream.say(.dialled(nil))
        let deadline = ContinuousClock.now + .seconds(30)
        while agent.flows()?.isEmpty != false, ContinuousClock.now < deadline { usleep(2_000) }
        let flow = try #require(agent.flows()?.first)
        #expect(flow.connection.route == .host(7))
        #expect(flow.connection.target == target)
        #expect(flow.connection.client?.address == loopback)
        #expect(flow.connection.client?.port ?? 0 != 0)
    }

    @Test func `reports a forward whose clients it cannot accept`() throws {
        let house = try House()
        let caller = try house.call()
        caller.say(control(.random(), queues: 0))
        _ = try caller.hear()
        let agent = try #require(house.reception.memory.withLock { $0.agents.first })
        let target = DialTarget(.tcp(TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 80)))
        // The kernel lets no one wait for a regular file.
        let file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
        try #require(file >= 0)
        agent.forward(OwnedDescriptor(adopting: file), to: target, number: 7)
        try house.wait("the refusal") { $0.refusedForwards == [7] }
        caller.hangUp()
    }

    @Test func `takes no channel for a session of another monitor's machine`() throws {
        let house = try House()
        let (one, other) = (try Monitor(), try Monitor())
        for monitor in [one, other] { try house.connect(to: monitor, port: 1_024) }
        let session = SessionIdentifier.random()
        let agent = try one.answer()
        agent.say(control(session, queues: 0))
        guard case .welcome = try agent.hear() else {
            Issue.record("no welcome")
            return
        }
        let hello = AgentMessage.hello(Hello(role: .stream, session: session, token: []))
        let stranger = try other.answer()
        stranger.say(hello)
        guard case .refusal(let refusal) = try stranger.hear() else {
            Issue.record("no refusal")
            return
        }
        #expect(refusal.errorNumber == ENOTCONN)
        let stream = try one.answer()
        stream.say(hello)
        #expect(try stream.hear() == .welcome(Welcome()))
        agent.hangUp()
    }

    @Test func `ends a session whose agent does not read`() throws {
        let house = try House()
        let agent = try house.call()
        agent.say(control(.random(), queues: 0))
        let loopback = IPAddress(IPv4Address(127, 0, 0, 1))
        let wish = AgentMessage.publish(
            PublishRequest(
                number: 5, transport: .tcp, host: TransportAddress(address: loopback, port: 0),
                guest: TransportAddress(address: loopback, port: 80)))
        // Each is answered; the answers exceed the limit of unsent bytes.
        for _ in 0..<20_000 where house.reception.memory.withLock({ $0.disconnected }) == 0 { agent.say(wish) }
        try house.wait("the disconnection") { $0.disconnected == 1 }
    }

    @Test func `has a forward's place free again when it has been ended`() throws {
        let house = try House()
        let caller = try house.call()
        caller.say(control(.random(), queues: 0))
        _ = try caller.hear()
        let agent = try #require(house.reception.memory.withLock { $0.agents.first })
        let target = DialTarget(.tcp(TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 80)))
        var wish = PublishRequest(
            number: 0, transport: .tcp,
            host: TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 0),
            guest: TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 80))
        for _ in 0..<50 {
            let (listener, port) = try PublishedSocket.open(wish)
            wish.host.port = port
            agent.forward(OwnedDescriptor(adopting: listener), to: target, number: 1)
            agent.endForwardNow(number: 1)
        }
    }

    @Test func `receives listening ports`() throws {
        let house = try House()
        let agent = try house.call()
        agent.say(control(.random(), queues: 0))
        _ = try agent.hear()
        let port = ListeningPort(transport: .tcp, address: try #require(TransportAddress("127.0.0.1:80")))
        agent.say(.ports(PortReport(changes: [.init(port, isListening: true)])))
        try house.wait("the report") { !$0.ports.isEmpty }
    }
}
