internal import Glibc
internal import RingwayAgentHost
internal import RingwayModel
internal import Synchronization

/// A connected agent.
struct AttachedAgent {
    let agent: AgentGuest
    /// The agent's guest; `nil` for an agent without queues, which carries no frames.
    let guest: Guest.ID?
    /// A label for users: the guest's name. Without a guest, the name that the link assigns or the agent claims, or
    /// else the agent's number.
    let name: String
    /// The place in the order in which the network's agents have connected, whatever their listeners.
    var order: UInt64 = 0
}

/// Forwards through agents exist until they are removed; while their guest's agent is not connected, clients are
/// refused.
extension VirtualNetwork {
    /// All listening places on the host whose clients an agent forwards to a guest: forwards, ports requested by
    /// agents, and ports that follow the guest's listeners.
    public var agentPlaces: [AgentPlace] { state.withLock { $0.agentPlaces.all } }

    /// The listening place with this number; `nil` if there is none.
    public func agentPlace(_ number: PublishedPort.ID) -> AgentPlace? { state.withLock { $0.agentPlaces[number] } }

    /// Every forward created by `forward`, as it was requested, by number. `agentPlaces` has the addresses that were
    /// granted.
    public var agentForwards: [PublishedPort.ID: AgentForward] { state.withLock { $0.agentPlaces.requests } }

    /// Forwards clients of a host address or unix socket to a server inside a guest, through the guest's agent. While
    /// that agent is not connected, clients are refused.
    ///
    /// - Returns: the forward's number, which no published port has.
    @discardableResult
    public func forward(_ forward: AgentForward) throws(Failure) -> PublishedPort.ID {
        try changes.withLock { (_) throws(Failure) in
            let granted = try placed(forward)
            let socket = try PlaceSocket(granted)
            let place = state.withLock { state in
                let number = state.freshForwardNumber()
                return state.agentPlaces.add(granted, for: forward, socket, number: number)
            }
            report(.agentForwardAdded(place))
            assignPlaces()
            return place.id
        }
    }

    /// The forward with a host address that the configuration allows. A request for every address of a family gets the
    /// first allowed address.
    private func placed(_ forward: AgentForward) throws(Failure) -> AgentForward {
        guard case .address(let address) = forward.place else { return forward }
        guard let place = configuration.publishOn.places(for: address.address).first, let place else {
            throw Failure("\(forward): \(configuration.publishOn.reason)", .notPermitted)
        }
        var placed = forward
        placed.place = .address(TransportAddress(address: place, port: address.port))
        return placed
    }

    /// Removes a forward through an agent. Its place on the host is free when this returns; existing connections
    /// continue. Places requested by an agent, or following a guest's port, cannot be removed by this call.
    public func endForward(_ number: PublishedPort.ID) throws(Failure) {
        let (agent, socket) = try changes.withLock { (_) throws(Failure) in
            guard let place = agentPlace(number) else {
                throw Failure("nothing is forwarded under the number \(number)", .notFound)
            }
            try Self.refuseToEnd(place)
            let (removed, agent) = state.withLock { state in
                let removed = state.agentPlaces.remove(number)
                return (removed, removed?.agent.flatMap { state.agents[$0]?.agent })
            }
            report(.agentForwardRemoved(place))
            return (agent, removed?.socket)
        }
        // Waits until the agents' thread has closed the listener, because the next request may be for the same address.
        // Done without the lock `changes`, for which the agents' thread may itself be waiting.
        agent?.endForwardNow(number: number)
        socket?.end()
    }

    private static func refuseToEnd(_ place: AgentPlace) throws(Failure) {
        switch place.kind {
        case .forward: break
        case .agent:
            throw Failure(
                "\(place.forward.specification) belongs to \(place.owner): it ends in the guest, where it was asked for "
                    + "(for a container: docker stop)", .notPermitted)
        case .follow:
            throw Failure(
                "\(place.forward.specification) follows a server in the guest: it ends when that server ends; "
                    + "without --follow-ports there are no such forwards", .notPermitted)
        }
    }

    // MARK: Connected agents; `add` and `remove` are called on the agents' thread

    /// An agent has connected.
    func add(_ agent: AttachedAgent) {
        changes.withLock { _ in
            state.withLock { state in
                state.agentsConnected += 1
                var agent = agent
                agent.order = state.agentsConnected
                state.agents[ObjectIdentifier(agent.agent)] = agent
            }
            assignPlaces()
        }
    }

    /// An agent has disconnected.
    func remove(_ agent: AgentGuest) {
        let id = ObjectIdentifier(agent)
        changes.withLock { _ in
            let (removed, resting) = state.withLock { state in
                state.agents[id] = nil
                return state.agentPlaces.agentLeft(id)
            }
            for socket in resting { socket.rest() }
            report(removed.map { .agentForwardRemoved($0) })
            assignPlaces()
        }
    }

    /// Starts to forward each configured place that has no agent, if the agent of its guest is connected. The caller
    /// holds the lock `changes`.
    private func assignPlaces() {
        for (place, socket) in state.withLock({ $0.agentPlaces.waiting }) {
            guard let attached = state.withLock({ agent(for: place.forward.guest, in: $0) }) else { continue }
            do throws(Failure) {
                attached.agent.forward(try socket.listen(), to: place.forward.target, number: place.id)
                state.withLock {
                    $0.agentPlaces.lead(place.id, to: ObjectIdentifier(attached.agent), guest: attached.guest)
                }
            } catch {
                if let failed = state.withLock({ $0.agentPlaces.fail(place.id, because: error.description) }) {
                    report(.agentForwardFailed(failed, reason: error.description))
                }
                retryFailedPlaces()
            }
        }
    }

    private func agent(for selector: GuestSelector, in state: borrowing State) -> AttachedAgent? {
        let members = state.members
        let agents = state.agents.values.sorted { $0.order < $1.order }
        if selector == .first { return agents.first }
        return agents.first { attached in
            attached.guest.flatMap { members[$0]?.guest }.map {
                selector.names($0, trustsClaims: configuration.trustsAgentNames)
            } ?? false
        }
    }

    // MARK: Places that agents request or that follow ports; called on the agents' thread, retries on the loop's

    /// Records and reports the result of an agent's request for a place, or of opening a place that follows a port.
    func note(
        _ kind: AgentPlace.Kind, _ route: AgentRoute, _ forward: AgentForward, of agent: AgentGuest, problem: String?
    ) {
        let id = ObjectIdentifier(agent)
        let change = state.withLock { state -> AgentPlaceTable.Change in
            // Nothing is recorded for an agent that has disconnected in the meantime.
            guard let attached = state.agents[id] else { return .nothing }
            let key = AgentPlaceTable.Key(agent: id, route: route)
            let number = state.agentPlaces.number(of: key) ?? state.freshForwardNumber()
            return state.agentPlaces.note(
                key, kind, forward, owner: kind == .follow ? kind.rawValue : "agent:\(attached.name)",
                guest: attached.guest, problem: problem, number: number)
        }
        switch change {
        case .added(let place): report(.agentForwardAdded(place))
        case .failed(let place):
            report(.agentForwardFailed(place, reason: place.problem ?? ""))
            if kind == .follow { retryFailedPlaces() }
        case .nothing: break
        }
    }

    /// Removes a place that an agent requested or that follows a listening port.
    func forget(_ route: AgentRoute, of agent: AgentGuest) {
        let key = AgentPlaceTable.Key(agent: ObjectIdentifier(agent), route: route)
        guard let place = state.withLock({ $0.agentPlaces.remove(key) }) else { return }
        report(.agentForwardRemoved(place))
    }

    /// The clients of a place cannot be accepted on the agents' thread, and the socket passed to `AgentGuest.forward`
    /// is closed. Records the failure, and schedules an attempt to open the place again.
    func refuseForward(_ number: UInt32, because reason: String, for agent: AgentGuest) {
        changes.withLock { _ in
            let refused = state.withLock {
                $0.agentPlaces.refused(number, by: ObjectIdentifier(agent), because: reason)
            }
            guard let refused else { return }
            refused.resting?.rest()
            report(.agentForwardFailed(refused.place, reason: reason))
            retryFailedPlaces()
        }
    }

    // MARK: Retrying

    /// The first and the longest interval in milliseconds between attempts to open a failed place.
    private static var firstRetry: UInt64 { 1_000 }
    private static var longestRetry: UInt64 { 30_000 }

    private func retryFailedPlaces() {
        let begins = state.withLock { state in
            defer { state.retriesPlaces = true }
            return !state.retriesPlaces
        }
        if begins { retryPlaces(after: Self.firstRetry) }
    }

    private func retryPlaces(after milliseconds: UInt64) {
        loop.post { [weak self] in
            self?.loop.after(milliseconds: milliseconds) { [weak self] in
                guard let self else { return }
                changes.withLock { _ in
                    self.assignPlaces()
                    self.followAgain()
                }
                let isOver = state.withLock { state in
                    state.retriesPlaces = state.agentPlaces.hasFailed && !state.isStopped
                    return !state.retriesPlaces
                }
                if !isOver { retryPlaces(after: min(milliseconds * 2, Self.longestRetry)) }
            }
        }
    }
}
