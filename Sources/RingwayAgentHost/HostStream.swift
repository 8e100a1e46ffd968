internal import Glibc
internal import RingwayAgentProtocol
internal import RingwaySystem

/// A ready stream of an agent, until the agent has answered the host's request to dial a server.
final class HostStream: HostMember {
    private weak var session: AgentSession?
    private var reader = AgentMessageReader.ofHost()
    private var dial: IdleStreams.Dial?

    init(_ descriptor: Int32, session: AgentSession) {
        self.session = session
        super.init(descriptor)
    }

    /// Asks the agent to dial a server.
    func dial(_ dial: IdleStreams.Dial) {
        self.dial = dial
        host?.loop.schedule(self, at: dial.deadline)
        // The socket has room for the message, because only the answer to the agent's hello was sent on it before.
        guard ChannelSocket.send(.dial(dial.target), on: descriptor) else {
            return fail(Refusal(errorNumber: AgentError.gone))
        }
    }

    override func deadlinePassed(now: UInt64) { fail(Refusal(errorNumber: AgentError.timedOut)) }

    override func ready(_ events: EventLoop.Events) {
        do {
            while descriptor >= 0, let bytes = try ChannelSocket.receive(descriptor, reader.wanted) {
                guard let message = try reader.take(bytes) else { continue }
                guard case .dialled(let refusal) = message, let dial else { throw ChannelSocket.Gone() }
                guard let refusal else {
                    session?.forget(self)
                    self.dial = nil
                    // The completion takes the descriptor.
                    return dial.completion(.success(self))
                }
                return fail(refusal)
            }
        } catch {
            fail(Refusal(errorNumber: AgentError.gone))
        }
    }

    /// Ends the stream and fails its dial.
    func fail(_ refusal: Refusal) {
        session?.forget(self)
        close()
        let waiting = dial
        dial = nil
        waiting?.completion(.failure(refusal))
    }
}
