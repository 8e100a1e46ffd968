import Glibc
import RingwayRelay
import RingwaySystem
import Testing

/// A relay between two socket pairs of which the test has the outer ends.
private final class Bench {
    final class Connection: LoopRelay {
        var isOpen = true
        var endings: [Bool] = []

        override func negotiate(_ events: EventLoop.Events, of side: Relay.Side) {
            if isOpen { begin() }
        }

        override func ended(reset: Bool) { endings.append(reset) }
    }

    let loop: EventLoop
    let group: RelayGroup
    let client: Int32
    let server: Int32
    let connection: Connection
    var pipeDescriptors = 0

    init(pipes: Int) throws {
        loop = try EventLoop()
        group = RelayGroup(loop: loop, pipes: pipes)
        let (client, near) = try Self.pair()
        let (server, far) = try Self.pair()
        self.client = client
        self.server = server
        connection = Connection(group, near: near, far: far, farHasRecords: false)
        group.descriptorsChanged = { [weak self] in self?.pipeDescriptors += $0 }
    }

    deinit {
        connection.end(reset: true)
        close(client)
        close(server)
    }

    private static func pair() throws -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        return (ends[0], ends[1])
    }

    /// Turns that do not wait.
    func turn(_ count: Int = 10) {
        for _ in 0..<count {
            loop.schedule(LoopMember(), at: 0)
            loop.runTurn()
        }
    }

    func start() {
        #expect(connection.watch(.near) && connection.watch(.far))
        turn()
    }

    static func receive(_ socket: Int32, _ count: Int = 65_536) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let received = recv(socket, &bytes, count, Int32(MSG_DONTWAIT))
        return received < 0 ? nil : Array(bytes[..<received])
    }
}

@Suite("Relays on a loop", .timeLimit(.minutes(1)))
struct LoopRelayTests {
    /// With pipes, and with copying.
    static let pipeLimits = [16, 0]

    @Test(arguments: pipeLimits)
    func `move bytes both ways, pass on both ends, and are forgotten`(pipes: Int) throws {
        let bench = try Bench(pipes: pipes)
        bench.start()
        #expect(send(bench.client, "question", 8, 0) == 8)
        #expect(send(bench.server, "answer", 6, 0) == 6)
        bench.turn()
        #expect(Bench.receive(bench.server) == Array("question".utf8))
        #expect(Bench.receive(bench.client) == Array("answer".utf8))
        shutdown(bench.client, Int32(SHUT_WR))
        bench.turn()
        #expect(Bench.receive(bench.server) == [])
        #expect(Bench.receive(bench.client) == nil, "only one direction has ended")
        shutdown(bench.server, Int32(SHUT_WR))
        bench.turn()
        #expect(Bench.receive(bench.client) == [])
        #expect(bench.connection.endings == [false])
        #expect(bench.loop.registeredCount == 0)
    }

    @Test(arguments: pipeLimits)
    func `lose nothing of a stream whose reader rests`(pipes: Int) throws {
        let bench = try Bench(pipes: pipes)
        bench.start()
        let block = (0..<65_536).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        var sent = 0
        var received: [UInt8] = []
        while received.count < 4 << 20 {
            let count = send(bench.client, block, block.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            if count > 0 { sent += count }
            bench.turn(1)
            guard count <= 0 else { continue }
            while let part = Bench.receive(bench.server), !part.isEmpty { received += part }
        }
        shutdown(bench.client, Int32(SHUT_WR))
        while received.count < sent {
            bench.turn(1)
            if let part = Bench.receive(bench.server) { received += part }
        }
        #expect(received.count == sent)
    }

    @Test func `count their pipes`() throws {
        let bench = try Bench(pipes: 16)
        bench.start()
        #expect(send(bench.client, "x", 1, 0) == 1)
        bench.turn()
        #expect(bench.pipeDescriptors == 2)
        bench.group.settle()
        #expect(bench.pipeDescriptors == 0)
    }

    @Test func `reset the other end of one that is gone`() throws {
        let bench = try Bench(pipes: 16)
        bench.start()
        bench.connection.end(reset: true)
        #expect(bench.connection.endings == [true])
        // Calls after the end have no effect.
        bench.connection.end(reset: false)
        bench.turn()
        #expect(bench.connection.endings == [true])
        #expect(Bench.receive(bench.client) == [])
        #expect(Bench.receive(bench.server) == [])
    }

    @Test func `leave bytes before their start to the caller`() throws {
        let bench = try Bench(pipes: 16)
        bench.connection.isOpen = false
        bench.start()
        #expect(send(bench.client, "early", 5, 0) == 5)
        bench.turn()
        #expect(Bench.receive(bench.server) == nil)
        bench.connection.begin()
        bench.turn()
        #expect(Bench.receive(bench.server) == Array("early".utf8))
    }
}
