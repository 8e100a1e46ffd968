import Foundation
import RingwayRelay
import Testing

/// Two connected sockets that do not wait.
private func makePair() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw POSIXError(.EMFILE) }
    return (ends[0], ends[1])
}

/// A connection between a host's client and a guest's server, over a channel with a relay at each end.
private struct Connection: ~Copyable {
    let client: Int32
    let server: Int32
    var atHost: Relay
    var atGuest: Relay
    var pipes: PipePool
    var states: (Relay.State, Relay.State) = (.idle, .idle)

    init(pipes limit: Int) throws {
        let (client, accepted) = try makePair()
        let (hostEnd, guestEnd) = try makePair()
        let (dialled, server) = try makePair()
        self.client = client
        self.server = server
        atHost = Relay(near: accepted, far: hostEnd, farHasRecords: true)
        atGuest = Relay(near: dialled, far: guestEnd, farHasRecords: true)
        pipes = PipePool(limit: limit)
    }

    /// Lets both sides do what they can; a side that has ended is closed, as its owner would.
    mutating func run() {
        for _ in 0..<100 {
            if case .idle = states.0 { states.0 = Self.visit(&atHost, &pipes) }
            if case .idle = states.1 { states.1 = Self.visit(&atGuest, &pipes) }
        }
    }

    private static func visit(_ relay: inout Relay, _ pipes: inout PipePool) -> Relay.State {
        let ready = Relay.Readiness(isReadable: true, isWritable: true, hasError: false)
        relay.note(ready, of: .far)
        relay.note(ready, of: .near)
        let state = relay.visit(&pipes)
        switch state {
        case .finished: relay.close(reset: false, &pipes)
        case .failed: relay.close(reset: true, &pipes)
        case .idle, .busy: return .idle
        }
        return state
    }
}

private func receive(_ socket: Int32, _ count: Int = 100) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    let received = recv(socket, &bytes, count, Int32(MSG_DONTWAIT))
    return received < 0 ? nil : Array(bytes[..<received])
}

@Suite("Records", .serialized)
struct RecordTests {
    /// With pipes, and without any, when bytes are copied.
    static let pipeLimits = [16, 0]

    @Test("carry bytes and both ends", arguments: pipeLimits)
    func carryBytes(limit: Int) throws {
        var connection = try Connection(pipes: limit)
        #expect(send(connection.client, "question", 8, 0) == 8)
        shutdown(connection.client, Int32(SHUT_WR))
        connection.run()
        #expect(receive(connection.server) == Array("question".utf8))
        #expect(receive(connection.server) == [])
        #expect(send(connection.server, "answer", 6, 0) == 6)
        connection.run()
        #expect(receive(connection.client) == Array("answer".utf8))
        #expect(receive(connection.client) == nil, "only one direction has ended")
        close(connection.server)
        connection.run()
        #expect(receive(connection.client) == [])
        guard case (.finished, .finished) = connection.states else {
            Issue.record("\(connection.states)")
            return
        }
        close(connection.client)
    }

    @Test("tell a lost end from a good one after a half-close", arguments: pipeLimits)
    func tellResets(limit: Int) throws {
        var connection = try Connection(pipes: limit)
        shutdown(connection.client, Int32(SHUT_WR))
        connection.run()
        #expect(receive(connection.server) == [])
        // The guest's side meets a reset: it ends without a record.
        connection.atGuest.close(reset: true, &connection.pipes)
        connection.states.1 = .failed
        connection.run()
        guard case .failed = connection.states.0 else {
            Issue.record("\(connection.states)")
            return
        }
        close(connection.client)
        close(connection.server)
    }

    @Test("arrive in order when the reader rests", arguments: pipeLimits)
    func arriveInOrder(limit: Int) throws {
        var connection = try Connection(pipes: limit)
        var sent: [UInt8] = []
        var received: [UInt8] = []
        while sent.count < 4 << 20 {
            let block = (0..<65_536).map { UInt8(truncatingIfNeeded: sent.count / 65_536 &+ $0) }
            let count = send(connection.client, block, block.count, Int32(MSG_DONTWAIT))
            if count > 0 { sent += block[..<count] }
            connection.run()
            guard count <= 0 else { continue }
            while let part = receive(connection.server, 65_536), !part.isEmpty { received += part }
        }
        shutdown(connection.client, Int32(SHUT_WR))
        while received.count < sent.count {
            connection.run()
            guard let part = receive(connection.server, 65_536), !part.isEmpty else { continue }
            received += part
        }
        #expect(received == sent)
        close(connection.client)
        close(connection.server)
    }

    @Test(
        "beyond their bound end the connection", arguments: [[0, 0, 0, 2], [0xFF, 0xFF, 0xFF, 0xFF]] as [[UInt8]])
    func boundedLength(header: [UInt8]) throws {
        let (peer, link) = try makePair()
        let (local, server) = try makePair()
        var relay = Relay(near: local, far: link, farHasRecords: true)
        var pipes = PipePool(limit: 4)
        #expect(send(peer, header, 4, 0) == 4)
        relay.tryBoth()
        guard case .failed = relay.visit(&pipes) else {
            Issue.record("the header is believed")
            return
        }
        relay.close(reset: true, &pipes)
        close(peer)
        close(server)
    }
}

@Suite("Datagrams through an agent")
struct DatagramRelayTests {
    @Test func `leave others their turn, however many there are`() throws {
        let (link, host) = try makePair()
        var sockets: [Int32] = [-1, -1]
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &sockets) == 0)
        defer { for descriptor in [link, host] + sockets { close(descriptor) } }
        // Two hundred records of one byte, of which a visit takes some.
        let records: [UInt8] = (0..<200).flatMap { [1, 0, 0, 0, $0] as [UInt8] }
        #expect(send(host, records, records.count, 0) == records.count)
        let relay = DatagramRelay()
        var states: [Relay.State] = []
        var byte: UInt8 = 0
        var last: UInt8?
        repeat {
            states.append(relay.visit(channel: link, socket: sockets[0]))
            while recv(sockets[1], &byte, 1, Int32(MSG_DONTWAIT)) == 1 { last = byte }
        } while states.last == .busy && states.count < 100
        #expect(states.count > 2)
        #expect(states.last == .idle)
        // Not every one fits, as with UDP; but all were taken.
        #expect(last != nil)
        #expect(recv(link, &byte, 1, Int32(MSG_DONTWAIT)) == -1)
    }
}
