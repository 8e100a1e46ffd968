internal import RingwayAgentHost
internal import RingwayEngine
internal import RingwayModel
internal import RingwayStack
internal import Synchronization

extension VirtualNetwork {
    /// The current flows, up to a limit, and whether the list is complete.
    ///
    /// The shards list their flows in chunks, so that they can handle frames in between. This call waits for the
    /// shards, so a thread that must not block must not call it.
    ///
    /// - Parameters:
    ///   - guest: the guest; `nil` for all guests.
    ///   - limit: the most flows to return.
    public func flows(of guest: Guest.ID? = nil, limit: Int = 1_000) -> (flows: [NetworkFlow], isComplete: Bool) {
        let members = state.withLock { $0.members.values.sorted { $0.guest.id < $1.guest.id } }
        var flows: [NetworkFlow] = []
        var isComplete = true
        for member in members where guest == nil || member.guest.id == guest {
            var records: [FlowRecord] = []
            isComplete = member.engine.flows(limit: max(0, limit - flows.count), into: &records) && isComplete
            flows += records.map { NetworkFlow(guest: member.guest.id, record: $0) }
        }
        for attached in state.withLock({ Array($0.agents.values) }) where guest == nil || attached.guest == guest {
            guard let carried = attached.agent.flows() else {
                isComplete = false
                continue
            }
            let room = max(0, limit - flows.count)
            isComplete = isComplete && carried.count <= room
            flows += carried.prefix(room).map { record(of: $0, attached) }
        }
        let (places, sockets) = state.withLock { ($0.agentPlaces, $0.hostSocketNumbers) }
        for index in flows.indices where flows[index].route != 0 {
            flows[index].follow(places, sockets, configuration.agentSockets)
        }
        return (flows, isComplete)
    }

    /// Converts a flow that is relayed on the agents' thread into an entry of the list.
    private func record(of flow: AgentFlow, _ attached: AttachedAgent) -> NetworkFlow {
        let nowhere = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
        let (client, server) = (flow.connection.client ?? nowhere, flow.connection.server ?? nowhere)
        let isDatagram = if case .udp = flow.connection.target?.endpoint { true } else { false }
        let key = FlowKey(
            guest: server.address, guestPort: server.port, remote: client.address, remotePort: client.port,
            transport: isDatagram ? .udp : .tcp)
        var record = FlowRecord(key: key, kind: isDatagram ? .forwardedUDP : .tcp, hostAddress: client)
        record.isOpenedByHost = flow.connection.target != nil
        record.route = number(of: flow.connection.route, agent: attached.agent)
        record.bytesToGuest = flow.bytesToGuest
        record.bytesFromGuest = flow.bytesFromGuest
        record.idle = flow.idle
        if flow.hasClientEnded { record.state = .finWait1 } else if flow.hasGuestEnded { record.state = .closeWait }
        return NetworkFlow(guest: attached.guest, record: record)
    }

    /// The number of the forward or host socket (`Configuration.agentSockets`) that a connection uses. For a port
    /// that the agent has withdrawn, it is `.max`, which no forward has.
    func number(of route: AgentRoute, agent: AgentGuest) -> PublishedPort.ID {
        let key = AgentPlaceTable.Key(agent: ObjectIdentifier(agent), route: route)
        return state.withLock { state in
            if let number = state.agentPlaces.number(of: key) { return number }
            switch route {
            case .host(let number): return number
            case .agent: return .max
            case .hostSocket(let name):
                if let known = state.hostSocketNumbers.first(where: { $0.value == name }) { return known.key }
                // The table has at most one entry for each configured name.
                let number = state.freshForwardNumber()
                state.hostSocketNumbers[number] = name
                return number
            }
        }
    }
}

extension NetworkFlow {
    /// Sets `place`, `hostPath` and `guestPath` from `route`, the number of the forward or host socket that the
    /// connection uses.
    fileprivate mutating func follow(
        _ places: AgentPlaceTable, _ sockets: [PublishedPort.ID: String], _ paths: [String: String]
    ) {
        if let name = sockets[route] {
            hostPath = paths[name]
        } else if let found = places[route] {
            place = found.id
            if case .unix(let path) = found.forward.place { hostPath = path }
            if case .unix(let path) = found.forward.target.endpoint { guestPath = path }
        }
    }
}
