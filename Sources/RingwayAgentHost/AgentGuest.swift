public import RingwayAgentProtocol
public import RingwayModel
public import RingwaySystem
internal import Synchronization

/// An agent with a session, and by it the guest that it runs in. Its operations may be called from any thread; after the
/// session's end they do nothing.
public final class AgentGuest: Sendable {
    /// Its number; none is given twice by one `AgentHost`.
    public let id: UInt32
    /// What the agent says of its guest.
    public let offer: GuestOffer
    private let host: AgentHost

    init(id: UInt32, offer: GuestOffer, host: AgentHost) {
        self.id = id
        self.offer = offer
        self.host = host
    }

    /// Forwards the clients of a listening socket to a server in the guest.
    ///
    /// - Parameters:
    ///   - listener: a TCP or unix socket that listens; for a target of datagrams a bound UDP socket.
    ///   - number: by which the forward is ended; the caller's choice.
    public func forward(_ listener: consuming OwnedDescriptor, to target: DialTarget, number: UInt32) {
        let id = id
        host.post(adopting: listener) { $0.forward($1, to: target, key: .host(number), agent: id) }
    }

    /// Ends a forward: its listener closes, connections that came through it live on.
    public func endForward(number: UInt32) {
        let id = id
        host.post { $0.endForward(.host(number), agent: id) }
    }

    /// The same, and the listener's place is free when this returns.
    public func endForwardNow(number: UInt32) {
        let id = id
        host.perform { $0.endForward(.host(number), agent: id) }
    }

    /// Dials a server in the guest. The result is a channel that carries records, non-blocking and the caller's.
    public func dial(_ target: DialTarget, _ completion: @escaping @Sendable (Result<Int32, Refusal>) -> Void) {
        let id = id
        let isPosted = host.post { loop in
            guard let session = loop.session(of: id) else {
                return completion(.failure(Refusal(errorNumber: AgentError.gone)))
            }
            session.dial(target) { outcome in
                completion(outcome.map { $0.relinquishUncounted() })
            }
        }
        if !isPosted { completion(.failure(Refusal(errorNumber: AgentError.gone))) }
    }

    /// What the agents' thread relays itself: datagrams, and the connections of agents without frames. `nil` when the
    /// thread does not answer in time.
    public func flows() -> [AgentFlow]? {
        let id = id
        let answer = FlowAnswer()
        host.perform { loop in answer.flows.withLock { $0 = loop.flows(of: id) } }
        return answer.flows.withLock { $0 }
    }

    /// Sets the guest's clock to the host's, as is due after either has slept.
    public func setClock() {
        let id = id
        host.post { $0.session(of: id)?.setClock() }
    }

    /// Ends idle flows, because other guests lack the descriptors that this one has borrowed.
    func giveBack() {
        let id = id
        host.post { $0.session(of: id)?.giveBack() }
    }

    /// Ends the agent's session; the agent will connect again.
    public func disconnect(because reason: String) {
        let id = id
        host.post { loop in
            if let session = loop.session(of: id) { loop.end(session, because: reason) }
        }
    }
}

/// A list that the agents' thread returns.
private final class FlowAnswer: Sendable {
    let flows = Mutex<[AgentFlow]?>(nil)
}
