internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwaySystem

/// Opens channels to the host and exchanges messages on them. The calls block, except `receiveAvailable`.
enum AgentChannel {
    /// Sends a hello on a new connection.
    static func begin(_ line: HostLine, _ hello: Hello) throws(AgentFailure) -> OwnedDescriptor {
        let channel = try line.open()
        try send(.hello(hello), on: channel.rawValue)
        return channel
    }

    /// Waits for the host's answer to a hello. Throws if the answer is not a `Welcome`.
    static func finish(_ descriptor: Int32) throws(AgentFailure) -> Welcome {
        var reader = AgentMessageReader.ofHost()
        switch try receive(&reader, from: descriptor) {
        case .welcome(let welcome):
            _ = ringway_set_timeout(descriptor, 0)
            return welcome
        case .refusal(let refusal): throw AgentFailure("the host refuses: \(refusal.text)")
        default: throw AgentFailure("the host answers a hello with something else")
        }
    }

    /// Sends a whole message on a blocking socket.
    static func send(_ message: AgentMessage, on descriptor: Int32) throws(AgentFailure) {
        let bytes = message.bytes
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw AgentFailure(cannot: "speak to the host") }
            sent += count
        }
    }

    /// Receives a whole message on a blocking socket, and nothing beyond it.
    static func receive(
        _ reader: inout AgentMessageReader, from descriptor: Int32
    ) throws(AgentFailure) -> AgentMessage {
        while true {
            guard let bytes = try read(descriptor, reader.wanted, flags: 0) else {
                throw AgentFailure("the host does not answer")
            }
            if let message = try take(bytes, &reader) { return message }
        }
    }

    /// Receives the next message without waiting. Returns `nil` if it has not arrived completely.
    static func receiveAvailable(
        _ reader: inout AgentMessageReader, from descriptor: Int32
    ) throws(AgentFailure) -> AgentMessage? {
        while let bytes = try read(descriptor, reader.wanted, flags: Int32(MSG_DONTWAIT)) {
            if let message = try take(bytes, &reader) { return message }
        }
        return nil
    }

    /// Receives at most `wanted` bytes. Returns `nil` on EAGAIN.
    private static func read(_ descriptor: Int32, _ wanted: Int, flags: Int32) throws(AgentFailure) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: wanted)
        while true {
            let count = recv(descriptor, &buffer, wanted, flags)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return nil }
            guard count >= 0 else { throw AgentFailure(cannot: "hear the host") }
            guard count > 0 else { throw AgentFailure("the host has closed the connection") }
            return Array(buffer[..<count])
        }
    }

    private static func take(
        _ bytes: [UInt8], _ reader: inout AgentMessageReader
    ) throws(AgentFailure) -> AgentMessage? {
        do throws(AgentProtocolFailure) {
            return try reader.take(bytes)
        } catch {
            throw AgentFailure("the host sent \(error)")
        }
    }
}
