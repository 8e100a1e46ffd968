import RingwayAgentProtocol
import RingwayWire
import Testing

@Suite("Agent messages")
struct MessageTests {
    @Test("What is written is read back", arguments: Samples.messages)
    func roundTrip(_ message: AgentMessage) throws {
        #expect(try read(message.bytes) == message)
    }

    @Test("A message is the same however its bytes are cut", arguments: Samples.messages)
    func singleBytes(_ message: AgentMessage) throws {
        var reader = AgentMessageReader.ofHost()
        var found: AgentMessage?
        for byte in message.bytes {
            #expect(found == nil)
            found = try reader.take([byte])
        }
        #expect(found == message)
    }

    @Test("A body that ends anywhere before its end is refused", arguments: Samples.messages)
    func truncation(_ message: AgentMessage) throws {
        let body = message.bytes[AgentProtocol.envelopeLength...]
        for length in 0..<body.count {
            #expect(throws: AgentProtocolFailure.self) {
                try AgentMessage(kind: kind(of: message), body: body.prefix(length))
            }
        }
    }

    @Test("A body with a byte too many is refused", arguments: Samples.messages)
    func trailing(_ message: AgentMessage) throws {
        let body = message.bytes[AgentProtocol.envelopeLength...] + [0]
        #expect(throws: AgentProtocolFailure.self) { try AgentMessage(kind: kind(of: message), body: body) }
    }

    @Test("No change of a byte does harm", arguments: Samples.messages)
    func mutation(_ message: AgentMessage) {
        var bytes = message.bytes
        for index in bytes.indices {
            let original = bytes[index]
            for value in [0, 1, original &+ 1, 0x7F, 0x80, 0xFF] as [UInt8] {
                bytes[index] = value
                // What is still a message can be written again, where a broken character becomes a whole one of three
                // bytes; everything else is refused.
                if let changed = try? read(bytes) { #expect(changed.bytes.count <= bytes.count + 2) }
            }
            bytes[index] = original
        }
    }

    private func read(_ bytes: [UInt8]) throws -> AgentMessage? {
        var reader = AgentMessageReader.ofHost()
        var rest = bytes[...]
        var found: AgentMessage?
        while found == nil, !rest.isEmpty {
            let part = rest.prefix(reader.wanted)
            found = try reader.take(part)
            rest = rest.dropFirst(part.count)
        }
        return found
    }

    private func kind(of message: AgentMessage) -> UInt16 {
        UInt16(message.bytes[4]) | UInt16(message.bytes[5]) << 8
    }
}

@Suite("First bytes")
struct FirstBytesTests {
    @Test("A web client is told from an agent by its first bytes")
    func webClient() {
        var reader = AgentMessageReader.ofAgent()
        #expect(throws: AgentProtocolFailure.notAnAgent) { try reader.take("GET / HT".utf8) }
    }

    @Test("A first message beyond a hello's length is refused before its body is read")
    func longHello() {
        var reader = AgentMessageReader.ofAgent()
        let length = UInt32(AgentProtocol.maximumHelloLength + 1)
        let envelope = withUnsafeBytes(of: length.littleEndian) { Array($0) } + [1, 0, 0, 0]
        #expect(throws: AgentProtocolFailure.notAnAgent) { try reader.take(envelope) }
    }

    @Test("A later message beyond the bound is refused before its body is read")
    func longMessage() {
        var reader = AgentMessageReader.ofHost()
        #expect(throws: AgentProtocolFailure.tooLong) { try reader.take([0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0]) }
    }

    @Test("A hello of another version is read as far as its version")
    func otherVersion() throws {
        var bytes = AgentMessage.hello(Hello(role: .stream, session: .random(), token: [])).bytes
        bytes[AgentProtocol.envelopeLength + 8] = 9
        var reader = AgentMessageReader.ofAgent()
        _ = try reader.take(bytes[..<reader.wanted])
        guard case .hello(let hello) = try reader.take(bytes[AgentProtocol.envelopeLength...]) else {
            Issue.record("no hello")
            return
        }
        #expect(hello.version == 9)
    }

    @Test("A queue beyond the count of queues is refused")
    func queueBeyondCount() {
        let hello = Hello(role: .frames(queue: 2, of: 2), session: .random(), token: [])
        let body = AgentMessage.hello(hello).bytes[AgentProtocol.envelopeLength...]
        #expect(throws: AgentProtocolFailure.invalidValue) { try AgentMessage(kind: 1, body: body) }
    }

    @Test("A path with a zero byte is refused")
    func pathWithZero() {
        let target = DialTarget(.unix(path: "/run/a\0b"))
        let body = AgentMessage.dial(target).bytes[AgentProtocol.envelopeLength...]
        #expect(throws: AgentProtocolFailure.invalidValue) { try AgentMessage(kind: 4, body: body) }
    }
}
