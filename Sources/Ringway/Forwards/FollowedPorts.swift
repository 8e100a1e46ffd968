internal import Glibc
internal import RingwayAgentHost
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwaySystem
internal import Synchronization

/// The listeners that an agent has reported, by forward number: one port may have a listener per family, and one for
/// both.
struct FollowedListeners {
    fileprivate var addresses: [UInt32: Set<IPAddress>] = [:]
}

/// Host loopback ports that follow listening ports inside guests.
extension VirtualNetwork {
    /// The first number of these forwards, apart from configured ones.
    private static var firstNumber: UInt32 { 0x8000_0000 }
    /// Lower ports belong to the machine's own services.
    private static var lowestPort: UInt16 { 1_024 }

    /// Opens and closes ports as an agent reports them. A port of another program on the host is left alone.
    func follow(_ changes: [PortReport.Change], of agent: AgentGuest, _ listeners: inout FollowedListeners) {
        guard configuration.followsListeningPorts else { return }
        self.changes.withLock { _ in
            // Opened ports come first, so that a forward is kept if a server only moves.
            let ordered = changes.filter(\.isListening) + changes.filter { !$0.isListening }
            for change in ordered where change.port.transport == .tcp && change.port.address.port >= Self.lowestPort {
                for server in Self.servers(change.port.address)
                where !configuration.publishOn.places(for: server.address).isEmpty {
                    follow(change, server, agent, &listeners)
                }
            }
        }
    }

    private func follow(
        _ change: PortReport.Change, _ server: TransportAddress, _ agent: AgentGuest,
        _ listeners: inout FollowedListeners
    ) {
        let number = Self.firstNumber | UInt32(server.port) | (server.address.isIPv4 ? 0 : 1 << 16)
        let address = change.port.address.address
        if change.isListening {
            guard listeners.addresses[number] != nil || listeners.addresses.count < configuration.limits.portsPerAgent
            else { return state.withLock { $0.agentPortsBeyondLimit += 1 } }
            let isFirst = listeners.addresses[number, default: []].isEmpty
            listeners.addresses[number, default: []].insert(address)
            if isFirst { open(server, number, agent) }
        } else if listeners.addresses[number]?.remove(address) != nil, listeners.addresses[number]?.isEmpty == true {
            listeners.addresses[number] = nil
            forget(.host(number), of: agent)
            agent.endForward(number: number)
        }
    }

    private func open(_ server: TransportAddress, _ number: UInt32, _ agent: AgentGuest) {
        let request = PublishRequest(number: number, transport: .tcp, host: server, guest: server)
        let target = DialTarget(.tcp(server))
        var problem: String?
        do throws(Refusal) {
            let listener = OwnedDescriptor(adopting: try PublishedSocket.open(request).descriptor)
            agent.forward(listener, to: target, number: number)
        } catch {
            problem = AgentPlace.problem(error.errorNumber, server, .tcp)
        }
        note(.follow, .host(number), AgentForward(.address(server), to: target), of: agent, problem: problem)
    }

    /// Retries ports that could not be opened. The caller holds `changes`.
    func followAgain() {
        for (key, place) in state.withLock({ $0.agentPlaces.failedFollowers }) {
            guard case .host(let number) = key.route, case .address(let server) = place.forward.place,
                let agent = state.withLock({ $0.agents[key.agent]?.agent })
            else { continue }
            open(server, number, agent)
        }
    }

    /// The loopback addresses through which a listener is reached in the guest, and which it gets on the host: that of
    /// its family, or both for all of IPv6, which usually includes IPv4. Empty for a listener on other addresses only.
    private static func servers(_ listener: TransportAddress) -> [TransportAddress] {
        let ipv4 = TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: listener.port)
        let ipv6 = TransportAddress(address: IPAddress(high: 0, low: 1), port: listener.port)
        let loopback = listener.address.isIPv4 ? ipv4 : ipv6
        guard listener.address.isUnspecified || listener == loopback else { return [] }
        if listener.address.isIPv4 { return [ipv4] }
        return listener.address.isUnspecified ? [ipv4, ipv6] : [ipv6]
    }
}
