internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation

/// A conversation whose hello has not been heard yet: all that is known of its other end is that it has connected.
final class FreshConversation: LoopMember {
    /// Nanoseconds that a hello may take.
    private static var patience: UInt64 { 5_000_000_000 }

    let origin: ConversationOrigin
    /// Who shares the room for fresh conversations.
    let peer: ConnectionPeer
    private var reader = AgentMessageReader.ofAgent()
    /// `nil` for one that we have opened, which the agent speaks on when it needs it.
    private let deadline: UInt64?
    /// Told when the agent has spoken, or the conversation is gone.
    var isHeard: ((_ hasSpoken: Bool) -> Void)?

    init(_ descriptor: Int32, origin: ConversationOrigin, now: UInt64?) {
        self.origin = origin
        peer = ConnectionPeer(descriptor)
        deadline = now.map { $0 + Self.patience }
        super.init(descriptor)
    }

    override func watched(_ isWatched: Bool) {
        // One that we have opened is nobody's flood.
        if deadline != nil { loop?.noteFresh(self, isWatched) }
    }

    override func look(at now: UInt64) {
        if let deadline, now >= deadline { close() }
    }

    override func ready(_ event: EventQueue.Event) {
        do {
            while descriptor >= 0 {
                guard let octets = try Octets.receive(descriptor, reader.wanted) else { return }
                guard let message = try reader.take(octets) else { continue }
                isHeard?(true)
                isHeard = nil
                guard case .hello(let hello) = message else { throw AgentProtocolFailure.notAnAgent }
                return hear(hello)
            }
        } catch {
            close()
            isHeard?(false)
            isHeard = nil
        }
    }

    private func hear(_ hello: Hello) {
        guard let loop else { return close() }
        guard hello.version == AgentProtocol.version else {
            return refuse(
                AgentError.version,
                "the host speaks version \(AgentProtocol.version) of the agent protocol, not \(hello.version)")
        }
        guard Self.isEqual(hello.token, loop.token) else {
            return refuse(AgentError.forbidden, "the token is not the host's")
        }
        if case .control(let offer) = hello.role { return loop.open(hello.session, offer, self) }
        // The other conversations come from where the first one did.
        guard let session = loop.session(hello.session), session.origin == origin else {
            return refuse(AgentError.gone, "there is no such session")
        }
        session.take(self, hello.role)
    }

    /// In a time that does not depend on where two tokens differ.
    private static func isEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(UInt8(0)) { $0 | $1.0 ^ $1.1 } == 0
    }

    /// Answers a hello on a socket that has room, because nothing has been said on it.
    func welcome(_ welcome: Welcome = Welcome()) -> Bool { Octets.send(.welcome(welcome), on: descriptor) }

    func refuse(_ number: Int32, _ text: String) {
        _ = Octets.send(.refusal(Refusal(errorNumber: number, text: text)), on: descriptor)
        close()
    }
}

/// Octets of messages on non-blocking descriptors.
enum Octets {
    /// The peer is gone.
    struct Gone: Error {}

    /// Up to `count` octets; `nil` when there are none now.
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

    /// Sends a whole message where there is room for it; false otherwise.
    static func send(_ message: AgentMessage, on descriptor: Int32) -> Bool {
        let octets = message.octets
        return Glibc.send(
            descriptor, octets, octets.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)) == octets.count
    }
}
