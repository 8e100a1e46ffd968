internal import RingwayAgentHost

/// The listening places on the host whose clients agents forward to guests: places that are configured, places that
/// agents requested, and places that follow a port, because a program in the guest listens on it.
///
/// A pure value: each operation returns the changes, for the caller to apply.
struct AgentPlaceTable {
    /// Identifies a place that an agent requested, or that follows a listening port in the agent's guest.
    struct Key: Hashable {
        let agent: ObjectIdentifier
        let route: AgentRoute
    }

    private struct Record {
        var place: AgentPlace
        /// The agent that forwards the place's clients; `nil` while it is not connected. A place with a `key` has the
        /// agent of that key.
        var agent: ObjectIdentifier?
        /// `nil` for a configured place.
        var key: Key?
        /// The listening socket of a configured place; `nil` for other places.
        var socket: PlaceSocket?
        /// A configured place as it was requested; `nil` for other places.
        var request: AgentForward?
    }

    /// The most failed places to remember per agent. `Limits.portsPerAgent` limits the places that were granted.
    static var maximumFailed: Int { 1_024 }

    private var records: [PublishedPort.ID: Record] = [:]
    private var numbers: [Key: PublishedPort.ID] = [:]
    private var failed: [ObjectIdentifier: Int] = [:]

    /// All places, in order of creation.
    var all: [AgentPlace] { records.values.map(\.place).sorted { $0.id < $1.id } }

    subscript(number: PublishedPort.ID) -> AgentPlace? { records[number]?.place }

    /// The number that the network has assigned to an agent's place.
    func number(of key: Key) -> PublishedPort.ID? { numbers[key] }

    var hasFailed: Bool { records.values.contains { $0.place.state == .failed && $0.place.kind != .agent } }

    // MARK: Configured places

    /// Adds a configured place, in state `waiting`.
    ///
    /// - Parameter request: the forward as it was requested; `forward` has the address that was granted.
    mutating func add(
        _ forward: AgentForward, for request: AgentForward, _ socket: PlaceSocket, number: PublishedPort.ID
    ) -> AgentPlace {
        let place = AgentPlace(
            id: number, kind: .forward, forward: forward, owner: AgentPlace.Kind.forward.rawValue, state: .waiting)
        records[number] = Record(place: place, socket: socket, request: request)
        return place
    }

    /// The configured places as they were requested, by number.
    var requests: [PublishedPort.ID: AgentForward] { records.compactMapValues { $0.request } }

    /// Configured places without an agent.
    var waiting: [(place: AgentPlace, socket: PlaceSocket)] {
        records.values.compactMap { record in
            guard record.agent == nil, let socket = record.socket else { return nil }
            return (record.place, socket)
        }.sorted { $0.place.id < $1.place.id }
    }

    /// Records the agent that forwards the clients of a configured place from now on.
    mutating func lead(_ number: PublishedPort.ID, to agent: ObjectIdentifier, guest: Guest.ID?) {
        records[number]?.agent = agent
        records[number]?.place.guest = guest
        records[number]?.place.state = .active
        records[number]?.place.problem = nil
    }

    /// Records that a configured place could not be bound. Returns the place unless the same failure was reported
    /// before.
    mutating func fail(_ number: PublishedPort.ID, because problem: String) -> AgentPlace? {
        guard let record = records[number], record.place.problem != problem else { return nil }
        records[number]?.place.state = .failed
        records[number]?.place.problem = problem
        return records[number]?.place
    }

    /// Removes a configured place.
    mutating func remove(
        _ number: PublishedPort.ID
    ) -> (place: AgentPlace, agent: ObjectIdentifier?, socket: PlaceSocket?)? {
        guard let record = records.removeValue(forKey: number) else { return nil }
        return (record.place, record.agent, record.socket)
    }

    /// Removes and returns the sockets of all configured places.
    mutating func takeSockets() -> [PlaceSocket] {
        let sockets = records.values.compactMap(\.socket)
        for number in records.keys { records[number]?.socket = nil }
        return sockets
    }

    // MARK: Places of agents

    /// A change of an agent's place.
    enum Change: Equatable {
        case added(AgentPlace)
        case failed(AgentPlace)
        /// No change to report.
        case nothing
    }

    /// Records the result of an agent's request for a place.
    ///
    /// - Parameters:
    ///   - number: the place's number, or a new one if the place is unknown.
    ///   - problem: why the request failed; `nil` if it succeeded.
    mutating func note(
        _ key: Key, _ kind: AgentPlace.Kind, _ forward: AgentForward, owner: String, guest: Guest.ID?,
        problem: String?, number: PublishedPort.ID
    ) -> Change {
        let known = numbers[key].flatMap { records[$0] }
        if let known, known.place.problem == problem, known.place.forward == forward { return .nothing }
        let hadFailed = known?.place.state == .failed
        if problem != nil, !hadFailed {
            guard failed[key.agent, default: 0] < Self.maximumFailed else { return .nothing }
            failed[key.agent, default: 0] += 1
        }
        if problem == nil, hadFailed { failed[key.agent, default: 1] -= 1 }
        var place =
            known?.place
            ?? AgentPlace(id: number, kind: kind, forward: forward, owner: owner, guest: guest, state: .active)
        place.forward = forward
        place.state = problem == nil ? .active : .failed
        place.problem = problem
        numbers[key] = place.id
        records[place.id] = Record(place: place, agent: key.agent, key: key)
        return problem == nil ? .added(place) : .failed(place)
    }

    /// Records that the clients of an agent's place cannot be accepted.
    ///
    /// - Parameter number: the number by which the agent knows the forward.
    /// - Returns: the place, and for a configured place its socket, which must stop listening; `nil` if the agent no
    ///   longer forwards the place.
    mutating func refused(
        _ number: UInt32, by agent: ObjectIdentifier, because problem: String
    ) -> (place: AgentPlace, resting: PlaceSocket?)? {
        let id = numbers[Key(agent: agent, route: .host(number))] ?? number
        guard var record = records[id], record.agent == agent, record.place.state == .active else { return nil }
        record.place.state = .failed
        record.place.problem = problem
        if record.key == nil {
            record.agent = nil
            record.place.guest = nil
        } else {
            failed[agent, default: 0] += 1
        }
        records[id] = record
        return (record.place, record.socket)
    }

    /// Removes an agent's place; `nil` if it is unknown.
    mutating func remove(_ key: Key) -> AgentPlace? {
        guard let number = numbers.removeValue(forKey: key), let record = records.removeValue(forKey: number) else {
            return nil
        }
        if record.place.state == .failed { failed[key.agent, default: 1] -= 1 }
        return record.place
    }

    /// An agent has disconnected. Places that it requested, and those that follow its guest's ports, are removed.
    /// Configured places wait for an agent again.
    ///
    /// - Returns: the removed places, and the sockets of configured places that must stop listening.
    mutating func agentLeft(_ agent: ObjectIdentifier) -> (removed: [AgentPlace], resting: [PlaceSocket]) {
        var removed: [AgentPlace] = []
        var resting: [PlaceSocket] = []
        for (number, record) in records where record.agent == agent {
            if let key = record.key {
                records[number] = nil
                numbers[key] = nil
                removed.append(record.place)
            } else {
                records[number]?.agent = nil
                records[number]?.place.guest = nil
                records[number]?.place.state = .waiting
                if let socket = record.socket { resting.append(socket) }
            }
        }
        failed[agent] = nil
        // Failed configured places are tried again: a port that could not be bound may be free for the next agent.
        for (number, record) in records where record.agent == nil && record.place.state == .failed {
            records[number]?.place.state = .waiting
            records[number]?.place.problem = nil
        }
        return (removed.sorted { $0.id < $1.id }, resting)
    }

    /// Places that follow a listening port in a guest and could not be opened. Only the network can retry these; an
    /// agent repeats its requests itself.
    var failedFollowers: [(key: Key, place: AgentPlace)] {
        records.values.compactMap { record in
            guard record.place.state == .failed, record.place.kind == .follow, let key = record.key else { return nil }
            return (key, record.place)
        }
    }
}
