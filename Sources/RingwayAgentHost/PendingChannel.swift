internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwaySystem

/// A connection on which no hello has arrived yet.
final class PendingChannel: HostMember {
    /// Timeout of a hello, nanoseconds.
    private static var helloTimeout: UInt64 { 5_000_000_000 }

    let origin: ChannelOrigin
    /// The peer, for the limit of pending channels per peer.
    let peer: ConnectionPeer
    private var reader = AgentMessageReader.ofAgent()
    /// The deadline of the hello, in monotonic nanoseconds; `nil` for a channel opened by the host, on which the agent
    /// sends a hello only when it needs a channel.
    private let deadline: UInt64?
    /// Called once: with true after the first message, with false if the channel failed before.
    var onFirstMessage: ((_ hasCome: Bool) -> Void)?

    init(_ descriptor: Int32, origin: ChannelOrigin, now: UInt64?) {
        self.origin = origin
        peer = ConnectionPeer(descriptor)
        deadline = now.map { $0 + Self.helloTimeout }
        super.init(descriptor)
    }

    override func watched(_ isWatched: Bool) {
        // Channels opened by the host do not count toward the limit, because no peer can cause many of them.
        guard let deadline, let host else { return }
        host.notePending(self, isWatched)
        if isWatched { host.loop.schedule(self, at: deadline) }
    }

    override func deadlinePassed(now: UInt64) { close() }

    override func ready(_ events: EventLoop.Events) {
        do {
            while descriptor >= 0 {
                guard let bytes = try ChannelSocket.receive(descriptor, reader.wanted) else { return }
                guard let message = try reader.take(bytes) else { continue }
                onFirstMessage?(true)
                onFirstMessage = nil
                guard case .hello(let hello) = message else { throw AgentProtocolFailure.notAnAgent }
                return take(hello)
            }
        } catch {
            close()
            onFirstMessage?(false)
            onFirstMessage = nil
        }
    }

    private func take(_ hello: Hello) {
        guard let host else { return close() }
        guard hello.version == AgentProtocol.version else {
            return refuse(
                AgentError.version,
                "the host speaks version \(AgentProtocol.version) of the agent protocol, not \(hello.version)")
        }
        guard Self.isEqual(hello.token, host.token) else {
            return refuse(AgentError.forbidden, "the token is not the host's")
        }
        if case .control(let offer) = hello.role { return host.open(hello.session, offer, self) }
        // Further channels must have the same origin as the first one.
        guard let session = host.session(hello.session), session.origin == origin else {
            return refuse(AgentError.gone, "there is no such session")
        }
        session.take(self, hello.role)
    }

    /// Compares in a time that depends on the lengths only.
    private static func isEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(UInt8(0)) { $0 | $1.0 ^ $1.1 } == 0
    }

    /// Answers a hello. The socket has room for the message, because nothing was sent on it before.
    func welcome(_ welcome: Welcome = Welcome()) -> Bool { ChannelSocket.send(.welcome(welcome), on: descriptor) }

    func refuse(_ number: Int32, _ text: String) {
        _ = ChannelSocket.send(.refusal(Refusal(errorNumber: number, text: text)), on: descriptor)
        close()
    }
}

/// Messages on non-blocking descriptors.
enum ChannelSocket {
    /// The connection was closed, has failed, or carries an invalid message.
    struct Gone: Error {}

    /// Receives up to `count` bytes; `nil` if there are none now.
    static func receive(_ descriptor: Int32, _ count: Int) throws -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: count)
        while true {
            let received = recv(descriptor, &buffer, count, Int32(MSG_DONTWAIT))
            if received > 0 { return Array(buffer[..<received]) }
            if received < 0, errno == EINTR { continue }
            guard received < 0, errno == EAGAIN else { throw Gone() }
            return nil
        }
    }

    /// Sends a whole message if there is room for it; otherwise returns false.
    static func send(_ message: AgentMessage, on descriptor: Int32) -> Bool {
        let bytes = message.bytes
        return Glibc.send(
            descriptor, bytes, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)) == bytes.count
    }
}
