internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation

/// The opening of a conversation, and messages on it, by calls that wait.
enum HostConversation {
    /// Says hello.
    static func begin(_ line: HostLine, _ hello: Hello) throws(AgentFailure) -> Int32 {
        let descriptor = try line.open()
        do throws(AgentFailure) {
            try send(.hello(hello), on: descriptor)
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Waits for the host's welcome to a hello.
    static func finish(_ descriptor: Int32) throws(AgentFailure) -> Welcome {
        var reader = AgentMessageReader.ofHost()
        switch try receive(&reader, from: descriptor) {
        case .welcome(let welcome):
            _ = ringway_set_patience(descriptor, 0)
            return welcome
        case .refusal(let refusal): throw AgentFailure("the host refuses: \(refusal.text)")
        default: throw AgentFailure("the host answers a hello with something else")
        }
    }

    /// Sends a whole message on a blocking socket.
    static func send(_ message: AgentMessage, on descriptor: Int32) throws(AgentFailure) {
        let octets = message.octets
        var sent = 0
        while sent < octets.count {
            let count = octets[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw AgentFailure(cannot: "speak to the host") }
            sent += count
        }
    }

    /// Waits for a whole message on a blocking socket. Nothing behind it is taken.
    static func receive(
        _ reader: inout AgentMessageReader, from descriptor: Int32
    ) throws(AgentFailure) -> AgentMessage {
        while true {
            var buffer = [UInt8](repeating: 0, count: reader.wanted)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { throw AgentFailure("the host does not answer") }
            guard count >= 0 else { throw AgentFailure(cannot: "hear the host") }
            guard count > 0 else { throw AgentFailure("the host has closed the conversation") }
            do throws(AgentProtocolFailure) {
                if let message = try reader.take(buffer[..<count]) { return message }
            } catch {
                throw AgentFailure("the host sent \(error)")
            }
        }
    }
}
