internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation

/// A stream that an agent keeps ready, up to the answer to its dial.
final class HostStream: LoopMember {
    private weak var session: AgentSession?
    private var reader = AgentMessageReader.ofHost()
    private var dial: StreamStock.Dial?

    init(_ descriptor: Int32, session: AgentSession) {
        self.session = session
        super.init(descriptor)
    }

    /// Asks the agent to connect the stream.
    func dial(_ dial: StreamStock.Dial) {
        self.dial = dial
        // There is room: nothing but a welcome has ever been said on it.
        guard Octets.send(.dial(dial.target), on: descriptor) else {
            return fail(Refusal(errorNumber: AgentError.gone))
        }
    }

    override func look(at now: UInt64) {
        if let dial, now >= dial.deadline { fail(Refusal(errorNumber: AgentError.timedOut)) }
    }

    override func ready(_ event: EventQueue.Event) {
        do {
            while descriptor >= 0, let octets = try Octets.receive(descriptor, reader.wanted) {
                guard let message = try reader.take(octets) else { continue }
                guard case .dialled(let refusal) = message, let dial else { throw Octets.Gone() }
                guard let refusal else {
                    session?.forget(self)
                    self.dial = nil
                    // Whoever takes it takes the descriptor; otherwise it ends here.
                    return dial.completion(.success(self))
                }
                return fail(refusal)
            }
        } catch {
            fail(Refusal(errorNumber: AgentError.gone))
        }
    }

    /// Ends the stream, and tells whoever waits for it why.
    func fail(_ refusal: Refusal) {
        session?.forget(self)
        close()
        let waiting = dial
        dial = nil
        waiting?.completion(.failure(refusal))
    }
}
