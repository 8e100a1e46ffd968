import Foundation
import RingwayConversation
import RingwaySplice
import Testing

/// Two connected sockets that do not wait.
private func makePair() throws -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw POSIXError(.EMFILE) }
    return (ends[0], ends[1])
}

/// A conversation between a host's client and a guest's server, carried by two carriers as in life.
private struct Conversation: ~Copyable {
    let client: Int32
    let server: Int32
    var atHost: StreamCarrier
    var atGuest: StreamCarrier
    var pipes: PipePool
    var verdicts: (StreamCarrier.Verdict, StreamCarrier.Verdict) = (.settled, .settled)

    init(pipes limit: Int) throws {
        let (client, accepted) = try makePair()
        let (hostEnd, guestEnd) = try makePair()
        let (dialled, server) = try makePair()
        self.client = client
        self.server = server
        atHost = StreamCarrier(link: hostEnd, local: accepted, hasRecords: true)
        atGuest = StreamCarrier(link: guestEnd, local: dialled, hasRecords: true)
        pipes = PipePool(limit: limit)
    }

    /// Lets both sides do what they can; a side that has ended is closed, as its owner would.
    mutating func run() {
        for _ in 0..<100 {
            if case .settled = verdicts.0 { verdicts.0 = Self.visit(&atHost, &pipes) }
            if case .settled = verdicts.1 { verdicts.1 = Self.visit(&atGuest, &pipes) }
        }
    }

    private static func visit(_ carrier: inout StreamCarrier, _ pipes: inout PipePool) -> StreamCarrier.Verdict {
        carrier.note(isReadable: true, isWritable: true, hasError: false, ofLink: true)
        carrier.note(isReadable: true, isWritable: true, hasError: false, ofLink: false)
        let verdict = carrier.visit(&pipes)
        switch verdict {
        case .over: carrier.close(reset: false, &pipes)
        case .reset: carrier.close(reset: true, &pipes)
        case .settled, .busy: return .settled
        }
        return verdict
    }
}

private func receive(_ socket: Int32, _ count: Int = 100) -> [UInt8]? {
    var octets = [UInt8](repeating: 0, count: count)
    let received = recv(socket, &octets, count, Int32(MSG_DONTWAIT))
    return received < 0 ? nil : Array(octets[..<received])
}

@Suite("Records", .serialized)
struct RecordTests {
    /// With pipes, and without any, when octets are copied.
    static let pipeLimits = [16, 0]

    @Test("carry octets and both ends", arguments: pipeLimits)
    func carryOctets(limit: Int) throws {
        var conversation = try Conversation(pipes: limit)
        #expect(send(conversation.client, "question", 8, 0) == 8)
        shutdown(conversation.client, Int32(SHUT_WR))
        conversation.run()
        #expect(receive(conversation.server) == Array("question".utf8))
        #expect(receive(conversation.server) == [])
        #expect(send(conversation.server, "answer", 6, 0) == 6)
        conversation.run()
        #expect(receive(conversation.client) == Array("answer".utf8))
        #expect(receive(conversation.client) == nil, "only one direction has ended")
        close(conversation.server)
        conversation.run()
        #expect(receive(conversation.client) == [])
        guard case (.over, .over) = conversation.verdicts else {
            Issue.record("\(conversation.verdicts)")
            return
        }
        close(conversation.client)
    }

    @Test("tell a lost end from a good one after a half-close", arguments: pipeLimits)
    func tellResets(limit: Int) throws {
        var conversation = try Conversation(pipes: limit)
        shutdown(conversation.client, Int32(SHUT_WR))
        conversation.run()
        #expect(receive(conversation.server) == [])
        // The guest's side meets a reset: it ends without a record.
        conversation.atGuest.close(reset: true, &conversation.pipes)
        conversation.verdicts.1 = .reset
        conversation.run()
        guard case .reset = conversation.verdicts.0 else {
            Issue.record("\(conversation.verdicts)")
            return
        }
        close(conversation.client)
        close(conversation.server)
    }

    @Test("arrive in order when the reader rests", arguments: pipeLimits)
    func arriveInOrder(limit: Int) throws {
        var conversation = try Conversation(pipes: limit)
        var sent: [UInt8] = []
        var received: [UInt8] = []
        while sent.count < 4 << 20 {
            let block = (0..<65_536).map { UInt8(truncatingIfNeeded: sent.count / 65_536 &+ $0) }
            let count = send(conversation.client, block, block.count, Int32(MSG_DONTWAIT))
            if count > 0 { sent += block[..<count] }
            conversation.run()
            guard count <= 0 else { continue }
            while let part = receive(conversation.server, 65_536), !part.isEmpty { received += part }
        }
        shutdown(conversation.client, Int32(SHUT_WR))
        while received.count < sent.count {
            conversation.run()
            guard let part = receive(conversation.server, 65_536), !part.isEmpty else { continue }
            received += part
        }
        #expect(received == sent)
        close(conversation.client)
        close(conversation.server)
    }

    @Test(
        "beyond their bound end the conversation", arguments: [[0, 0, 0, 2], [0xFF, 0xFF, 0xFF, 0xFF]] as [[UInt8]])
    func boundedLength(header: [UInt8]) throws {
        let (peer, link) = try makePair()
        let (local, server) = try makePair()
        var carrier = StreamCarrier(link: link, local: local, hasRecords: true)
        var pipes = PipePool(limit: 4)
        #expect(send(peer, header, 4, 0) == 4)
        carrier.lookAtBoth()
        guard case .reset = carrier.visit(&pipes) else {
            Issue.record("the header is believed")
            return
        }
        carrier.close(reset: true, &pipes)
        close(peer)
        close(server)
    }
}

@Suite("Datagrams through an agent")
struct DatagramCarrierTests {
    @Test func `leave others their turn, however many there are`() throws {
        let (link, host) = try makePair()
        var sockets: [Int32] = [-1, -1]
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &sockets) == 0)
        defer { for descriptor in [link, host] + sockets { close(descriptor) } }
        // Two hundred records of one octet, of which a turn takes some.
        let records: [UInt8] = (0..<200).flatMap { [1, 0, 0, 0, $0] as [UInt8] }
        #expect(send(host, records, records.count, 0) == records.count)
        let carrier = DatagramCarrier()
        var verdicts: [DatagramCarrier.Verdict] = []
        var octet: UInt8 = 0
        var last: UInt8?
        repeat {
            verdicts.append(carrier.turn(link: link, socket: sockets[0]))
            while recv(sockets[1], &octet, 1, Int32(MSG_DONTWAIT)) == 1 { last = octet }
        } while verdicts.last == .busy && verdicts.count < 100
        #expect(verdicts.count > 2)
        #expect(verdicts.last == .settled)
        // Not every one fits, as with UDP; but all were taken.
        #expect(last != nil)
        #expect(recv(link, &octet, 1, Int32(MSG_DONTWAIT)) == -1)
    }
}
