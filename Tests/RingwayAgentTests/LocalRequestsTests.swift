import Foundation
import RingwayAgentProtocol
import RingwayModel
import RingwaySystem
import Testing

@testable import RingwayAgent

@Suite("Programs that ask the agent for ports")
struct LocalRequestsTests {
    /// A program's connection.
    private final class Asker {
        let descriptor: Int32

        init(_ path: String) throws {
            descriptor = try HostEndpoint.unix(path: path).connect().take()
        }

        deinit { close(descriptor) }

        func ask(_ port: UInt16) throws {
            let address = IPAddress(IPv4Address(127, 0, 0, 1))
            try AgentChannel.send(
                .publish(
                    PublishRequest(
                        number: 0, transport: .tcp, host: TransportAddress(address: address, port: port),
                        guest: TransportAddress(address: address, port: port))), on: descriptor)
        }

        func answer() throws -> PublishAnswer? {
            var reader = AgentMessageReader.ofHost()
            guard case .published(let answer) = try AgentChannel.receive(&reader, from: descriptor) else {
                return nil
            }
            return answer
        }
    }

    /// Ends a test on timeout.
    private final class Limit: LoopMember {
        private(set) var isOver = false

        override func deadlinePassed(now: UInt64) { isOver = true }
    }

    @Test func `each get their own answer, hundreds of them, and leave nothing behind`() throws {
        let path = "/tmp/ringway-requests-\(getpid())-\(UInt32.random(in: 0...(.max))).sock"
        defer { unlink(path) }
        let loop = try EventLoop()
        let requests = try LocalRequests(path: path, on: loop)
        var askers: [Asker] = []
        var asked: [PublishRequest] = []
        var gone: [UInt32] = []
        requests.onEvent = { event in
            switch event {
            case .request(let request): asked.append(request)
            case .gone(let number): gone.append(number)
            }
        }
        let limit = Limit()
        loop.schedule(limit, at: MonotonicClock.now() + 30_000_000_000)
        /// Runs the agent's loop until a condition holds.
        func turn(until isDone: () -> Bool) {
            while !isDone(), !limit.isOver { loop.runTurn() }
        }
        for port in 0..<300 {
            let asker = try Asker(path)
            try asker.ask(UInt16(20_000 + port))
            askers.append(asker)
        }
        turn { asked.count == 300 }
        #expect(Set(asked.map(\.number)).count == 300)
        #expect(requests.requests.map(\.number) == asked.map(\.number).sorted())
        for request in asked.reversed() {
            let answer = PublishAnswer(number: request.number, port: request.host.port)
            // The second answer has no recipient.
            #expect(requests.answer(answer))
            #expect(!requests.answer(answer))
        }
        for (index, asker) in askers.enumerated() { #expect(try asker.answer()?.port == UInt16(20_000 + index)) }
        askers = []
        turn { gone.count == 300 }
        #expect(Set(gone) == Set(asked.map(\.number)))
        #expect(requests.requests.isEmpty)
        // An answer after the end is no error.
        #expect(requests.answer(PublishAnswer(number: asked[0].number, port: 1)))
    }
}
