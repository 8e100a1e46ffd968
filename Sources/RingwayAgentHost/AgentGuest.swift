public import RingwayAgentProtocol
public import RingwayModel
public import RingwaySystem
internal import Synchronization

/// An agent with a session, representing its guest. Its operations may be called from any thread; after the session's
/// end they have no effect.
public final class AgentGuest: Sendable {
    /// A number that one `AgentHost` never reuses.
    public let id: UInt32
    /// The agent's description of its guest.
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
    ///   - listener: a listening TCP or unix socket; for a datagram target a bound UDP socket.
    ///   - number: chosen by the caller; identifies the forward.
    public func forward(_ listener: consuming OwnedDescriptor, to target: DialTarget, number: UInt32) {
        let id = id
        host.post(adopting: listener) { $0.forward($1, to: target, key: .host(number), agent: id) }
    }

    /// Ends a forward by closing its listener. Existing connections continue, but the flows of UDP clients end.
    public func endForward(number: UInt32) {
        let id = id
        host.post { $0.endForward(.host(number), agent: id) }
    }

    /// Ends a forward synchronously: its address is free when this returns, unless the agents' thread did not respond
    /// in time.
    public func endForwardNow(number: UInt32) {
        let id = id
        host.perform { $0.endForward(.host(number), agent: id) }
    }

    /// Dials a server in the guest. The result is a non-blocking channel, which carries the records of
    /// `StreamRecord`, and which the caller owns.
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

    /// The flows relayed on the agents' thread: UDP clients, and connections of agents without frame channels. `nil`
    /// if that thread did not answer in time, or has stopped.
    public func flows() -> [AgentFlow]? {
        let id = id
        let answer = FlowAnswer()
        host.perform { loop in answer.flows.withLock { $0 = loop.flows(of: id) } }
        return answer.flows.withLock { $0 }
    }

    /// Sets the guest's clock to the host's, after either was suspended.
    public func setClock() {
        let id = id
        host.post { $0.session(of: id)?.setClock() }
    }

    /// Closes ready streams and ends flows, longest idle first, because other guests need the descriptors that this
    /// guest has borrowed.
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

/// Receives a list from the agents' thread.
private final class FlowAnswer: Sendable {
    let flows = Mutex<[AgentFlow]?>(nil)
}
