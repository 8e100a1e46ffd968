internal import Glibc
internal import RingwayAgentHost
internal import RingwayAgentProtocol
internal import RingwayWire
internal import Synchronization

/// A forward through an agent, as its network keeps it.
struct AgentForwardRecord {
    let forward: AgentForward
    /// The agent that it leads through now.
    var agent: ObjectIdentifier?
}

/// An agent that is there.
struct AttachedAgent {
    let agent: AgentGuest
    /// Its guest; `nil` of an agent that carries no frames.
    let guest: Guest.ID?
}

/// Forwards through agents live as long as somebody wants them; while their guest's agent is away nobody listens.
extension VirtualNetwork {
    /// Every forward through an agent, by its number.
    public var agentForwards: [PublishedPort.ID: AgentForward] {
        state.withLock { $0.agentForwards.mapValues(\.forward) }
    }

    /// Leads clients of a place on the host to a server inside a guest, now or as soon as its agent comes.
    ///
    /// - Returns: its number, of the same kind as those of published ports.
    @discardableResult
    public func forward(_ forward: AgentForward) throws(Failure) -> PublishedPort.ID {
        try changes.withLock { (_) throws(Failure) in
            let number = state.withLock { state in
                state.nextForward += 1
                return state.nextForward
            }
            var record = AgentForwardRecord(forward: forward)
            // That the place can be had is known at once, though it may be lost until the agent comes.
            let listener = try AgentForwardSocket.open(placed(forward))
            if let agent = state.withLock({ Self.agent(for: forward.guest, in: $0) }) {
                agent.forward(listener, to: forward.target, number: number)
                record.agent = ObjectIdentifier(agent)
            } else {
                close(listener)
                AgentForwardSocket.remove(forward)
            }
            let finished = record
            state.withLock { $0.agentForwards[number] = finished }
            return number
        }
    }

    /// The forward where it may be: who asks for every address of a family gets the first that is allowed.
    private func placed(_ forward: AgentForward) throws(Failure) -> AgentForward {
        guard case .address(let address) = forward.place else { return forward }
        guard let place = configuration.publishOn.places(for: address.address).first, let place else {
            throw Failure("\(forward): \(configuration.publishOn.reason)", .notPermitted)
        }
        var placed = forward
        placed.place = .address(TransportAddress(address: place, port: address.port))
        return placed
    }

    /// Ends a forward through an agent. Its place on the host is free when this returns; connections that came through it
    /// live on.
    public func endForward(_ number: PublishedPort.ID) throws(Failure) {
        let agent = try changes.withLock { (_) throws(Failure) in
            let (record, agent) = state.withLock { state in
                let record = state.agentForwards.removeValue(forKey: number)
                return (record, record?.agent.flatMap { state.agents[$0]?.agent })
            }
            guard let record else { throw Failure("nothing is forwarded under the number \(number)") }
            AgentForwardSocket.remove(record.forward)
            return agent
        }
        // Whoever comes next may want the same place. The agents' thread may be waiting to make changes of its own.
        agent?.endForwardNow(number: number)
    }

    /// An agent has come.
    func add(_ agent: AttachedAgent) {
        changes.withLock { _ in
            state.withLock { $0.agents[ObjectIdentifier(agent.agent)] = agent }
            placeAgentForwards()
        }
    }

    /// An agent has gone.
    func remove(_ agent: AgentGuest) {
        let id = ObjectIdentifier(agent)
        changes.withLock { _ in
            state.withLock { state in
                state.agents[id] = nil
                for number in state.agentForwards.keys where state.agentForwards[number]?.agent == id {
                    state.agentForwards[number]?.agent = nil
                }
            }
            placeAgentForwards()
        }
    }

    private func placeAgentForwards() {
        let (records, current) = state.withLock { ($0.agentForwards, $0) }
        for (number, record) in records where record.agent == nil {
            guard let agent = Self.agent(for: record.forward.guest, in: current) else { continue }
            do throws(Failure) {
                let listener = try AgentForwardSocket.open(placed(record.forward))
                agent.forward(listener, to: record.forward.target, number: number)
                state.withLock { $0.agentForwards[number]?.agent = ObjectIdentifier(agent) }
            } catch {
                report(.agentForwardFailed(record.forward, reason: error.description))
            }
        }
    }

    private static func agent(for selector: GuestSelector, in state: borrowing State) -> AgentGuest? {
        let members = state.members
        let agents = state.agents.values.sorted { $0.agent.id < $1.agent.id }
        if selector == .first { return agents.first?.agent }
        return agents.first { attached in
            attached.guest.flatMap { members[$0]?.guest }.map { selector.names($0) } ?? false
        }?.agent
    }
}

/// The sockets at which the host waits for clients of a forward.
enum AgentForwardSocket {
    private static var backlog: Int32 { 1_024 }

    static func open(_ forward: AgentForward) throws(VirtualNetwork.Failure) -> Int32 {
        switch forward.place {
        case .unix(let path):
            if case .udp = forward.target.endpoint {
                throw VirtualNetwork.Failure("cannot forward \(forward): datagrams need an address, not a path")
            }
            let (descriptor, _) = try SocketFile.bind(path, type: SOCK_STREAM, mode: 0o600)
            guard listen(descriptor, backlog) == 0 else { throw failure(forward, errno, descriptor) }
            return descriptor
        case .address(let address):
            let isDatagram = if case .udp = forward.target.endpoint { true } else { false }
            let request = PublishRequest(
                number: 0, transport: isDatagram ? .udp : .tcp, host: address,
                guest: TransportAddress(address: address.address, port: 1))
            do throws(Refusal) { return try PublishedSocket.open(request).descriptor } catch {
                throw failure(forward, error.errorNumber, -1)
            }
        }
    }

    private static func failure(
        _ forward: AgentForward, _ number: Int32, _ descriptor: Int32
    ) -> VirtualNetwork.Failure {
        if descriptor >= 0 { close(descriptor) }
        if case .address(let address) = forward.place {
            let isDatagram = if case .udp = forward.target.endpoint { true } else { false }
            return VirtualNetwork.Failure(
                PortHolder.explain(number, address.address, address.port, isDatagram ? .udp : .tcp))
        }
        return VirtualNetwork.Failure("cannot forward \(forward): \(String(cString: strerror(number)))")
    }

    /// Removes the file of a unix socket.
    static func remove(_ forward: AgentForward) {
        if case .unix(let path) = forward.place { unlink(path) }
    }
}
