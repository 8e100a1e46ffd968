internal import Glibc
internal import RingwayAgentHost
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwaySystem
internal import Synchronization

/// The addresses of the listeners that an agent has reported, by the number of the forward that leads to them. One
/// forward may lead to several listeners on the same port, such as one on 0.0.0.0 and one on `::`.
struct FollowedListeners {
    fileprivate var addresses: [UInt32: Set<IPAddress>] = [:]
}

/// Opens a port on the host's loopback for each port on which a program in an agent's guest listens.
extension VirtualNetwork {
    /// The lowest number of a forward that follows a port. Such a number is made from the port and the family;
    /// configured forwards are numbered from one upwards.
    private static var firstNumber: UInt32 { 0x8000_0000 }
    /// The lowest port that is followed: on the host, lower ports belong to the host's own services.
    private static var lowestPort: UInt16 { 1_024 }

    /// Opens and closes host ports as an agent reports listeners. A port that another program of the host has opened
    /// stays with that program.
    func follow(_ changes: [PortReport.Change], of agent: AgentGuest, _ listeners: inout FollowedListeners) {
        guard configuration.followsListeningPorts else { return }
        self.changes.withLock { _ in
            // Reports of opened ports are handled first, so that a forward is kept if a server only changes the
            // address on which it listens.
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

    /// The loopback addresses at which the agent reaches a listener in the guest, and at which the host's ports are
    /// opened for it: for a listener on `::`, both 127.0.0.1 and ::1, because it usually accepts IPv4, too; for one on
    /// 0.0.0.0, 127.0.0.1 or ::1, the loopback address of the same family; for any other listener, none.
    private static func servers(_ listener: TransportAddress) -> [TransportAddress] {
        let ipv4 = TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: listener.port)
        let ipv6 = TransportAddress(address: IPAddress(high: 0, low: 1), port: listener.port)
        let loopback = listener.address.isIPv4 ? ipv4 : ipv6
        guard listener.address.isUnspecified || listener == loopback else { return [] }
        if listener.address.isIPv4 { return [ipv4] }
        return listener.address.isUnspecified ? [ipv4, ipv6] : [ipv6]
    }
}
