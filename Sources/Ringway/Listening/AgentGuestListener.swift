internal import Glibc
internal import RingwayAgentHost
internal import RingwayAgentProtocol
internal import RingwayEngine
internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem
internal import Synchronization

/// Accepts agents. An agent with queues carries a guest's frames, and is attached as a guest.
final class AgentGuestListener: GuestListener, Sendable {
    private let host: AgentHost
    private let reception: AgentReceptionDesk
    private let file: SocketFile?

    /// Listens at the address of `place`, which must be an address for agents.
    init(_ place: ListenerPlace, mode: mode_t) throws(VirtualNetwork.Failure) {
        reception = AgentReceptionDesk(place)
        let token = place.network?.configuration.agentToken ?? []
        let host: AgentHost
        let mostQueues = place.network?.configuration.queuesPerGuest ?? 1
        do throws(SystemError) {
            host = try AgentHost(
                token: token, mostQueues: mostQueues, budget: .ofProcess, reception: reception)
        } catch {
            throw VirtualNetwork.Failure(error.description)
        }
        do throws(VirtualNetwork.Failure) {
            file = try Self.listen(host, place, mode)
        } catch {
            host.stop()
            throw error
        }
        self.host = host
    }

    /// Makes `host` listen at the address of `place`. Returns the file of the socket for an address `agent(path:)`,
    /// and `nil` for a vsock port or the socket of a monitor.
    private static func listen(
        _ host: AgentHost, _ place: ListenerPlace, _ mode: mode_t
    ) throws(VirtualNetwork.Failure) -> SocketFile? {
        if case .agent(let path) = place.address {
            let (descriptor, file) = try SocketFile.bind(path, type: SOCK_STREAM, mode: mode)
            let listener = OwnedDescriptor(adopting: descriptor)
            guard Glibc.listen(descriptor, AgentHost.backlog) == 0 else {
                let reason = String(cString: strerror(errno))
                file.remove()
                throw VirtualNetwork.Failure("cannot listen at \(path): \(reason)")
            }
            host.adopt(listener: listener)
            return file
        }
        do throws(SystemError) {
            switch place.address {
            case .agentPort(let port): try host.listen(on: .vsock(port: port, VsockPeers(place.terms.machines)))
            case .agentMonitor(let path, let port): try host.listen(on: .hybrid(path: path, port: port))
            case .agent, .qemu, .qemuDatagram, .vpnkit, .tap, .inherited: break
            }
        } catch {
            throw VirtualNetwork.Failure(error.description)
        }
        return nil
    }

    func begin() {}

    func guestLeft(_ guest: Guest.ID) { reception.guestLeft(guest) }

    func close() {
        host.stop()
        file?.remove()
    }
}

/// A network's policy for agents. Called on the agents' own thread, except `guestLeft`.
final class AgentReceptionDesk: AgentReception {
    /// The number of streams that each agent keeps connected ahead of time, so that a client need not wait for a
    /// connection from the guest.
    private static var readyStreams: UInt16 { 8 }

    private let place: ListenerPlace
    private let admitted = Mutex<[UInt32: AttachedAgent]>([:])
    /// The descriptor shares of agents without queues. Such an agent has no guest whose share could count its
    /// descriptors.
    private let shares = Mutex<[UInt32: DescriptorShare]>([:])
    private let followed = Mutex<[UInt32: FollowedListeners]>([:])

    private var network: VirtualNetwork? { place.network }

    init(_ place: ListenerPlace) { self.place = place }

    func admit(_ agent: AgentGuest, queues: [Int32]) throws(Refusal) -> Welcome {
        guard let network else { throw Refusal(errorNumber: ECONNREFUSED, text: "the network has ended") }
        guard !queues.isEmpty else {
            guard let share = DescriptorBudget.ofProcess.join(standing: 0) else {
                throw Refusal(errorNumber: EMFILE, text: "too few descriptors are left for one more agent")
            }
            shares.withLock { $0[agent.id] = share }
            remember(AttachedAgent(agent: agent, guest: nil, name: name(of: agent)), network)
            return Welcome(readyStreams: Self.readyStreams, wantsPorts: network.configuration.followsListeningPorts)
        }
        do throws(VirtualNetwork.Failure) {
            let guest = try attach(agent, queues, network)
            network.state.withLock { $0.queuesRefused += Int(agent.offer.queues) - queues.count }
            remember(AttachedAgent(agent: agent, guest: guest.id, name: guest.name), network)
            return Welcome(
                readyStreams: Self.readyStreams, wantsPorts: network.configuration.followsListeningPorts,
                network: Self.place(of: guest, in: network.plan))
        } catch {
            place.report(error.description)
            throw Refusal(errorNumber: EADDRNOTAVAIL, text: error.description)
        }
    }

    /// A label for users, for an agent without a guest: the name that the link assigns, or a valid name that the
    /// agent claims, or the agent's number. A claimed name serves only as a label, because it proves nothing.
    private func name(of agent: AgentGuest) -> String {
        if let name = place.terms.guest { return name }
        return GuestName.isValid(agent.offer.name) ? agent.offer.name.lowercased() : "\(agent.id)"
    }

    private func remember(_ attached: AttachedAgent, _ network: VirtualNetwork) {
        admitted.withLock { $0[attached.agent.id] = attached }
        network.add(attached)
    }

    private func attach(
        _ agent: AgentGuest, _ queues: [Int32], _ network: VirtualNetwork
    ) throws(VirtualNetwork.Failure) -> Guest {
        let link = Link(
            queues: queues, framing: .stream(.agent), takesUDPSuperFrames: agent.offer.takesUDPSuperFrames)
        let name = agent.offer.name
        let isName = GuestName.isValid(name) && name.lowercased() != "localhost"
        return try network.attach(
            link, mac: agent.offer.mac, at: place.address, claiming: isName ? name : nil)
    }

    private static func place(of guest: Guest, in plan: NetworkPlan) -> GuestNetwork? {
        guard
            let ipv4 = CIDRBlock(address: IPAddress(guest.ipv4), prefixLength: plan.ipv4PrefixLength),
            let ipv6 = CIDRBlock(address: IPAddress(guest.ipv6), prefixLength: 64)
        else { return nil }
        return GuestNetwork(
            mtu: UInt16(plan.mtu), ipv4: ipv4, ipv4Gateway: plan.gatewayIPv4, ipv6: ipv6,
            ipv6Gateway: plan.gatewayLinkLocal, nameServers: [IPAddress(plan.gatewayIPv4)])
    }

    func turnAway(_ machine: Int64) {
        let who =
            machine == Int64(VsockPeers.local) ? "a program of this machine (CID 1)" : "the machine of CID \(machine)"
        place.refuse("\(who) may not connect; \"\(place.address),cid=\(machine)\" lets it")
    }

    func descriptors(of agent: AgentGuest) -> DescriptorShare {
        if let share = shares.withLock({ $0[agent.id] }) { return share }
        guard let guest = admitted.withLock({ $0[agent.id] })?.guest,
            let engine = network?.state.withLock({ $0.members[guest]?.engine })
        else { return .unbounded() }
        return engine.descriptors
    }

    func didDisconnect(_ agent: AgentGuest, because reason: String) {
        shares.withLock { $0.removeValue(forKey: agent.id) }?.leave()
        let attached = admitted.withLock { $0.removeValue(forKey: agent.id) }
        followed.withLock { $0[agent.id] = nil }
        network?.remove(agent)
        guard let guest = attached?.guest else { return }
        // The guest may already have been detached, because its link failed.
        try? network?.detach(guest, because: reason)
    }

    /// Ends the session of a detached guest's agent. Without effect if the agent has disconnected already.
    func guestLeft(_ guest: Guest.ID) {
        let agent = admitted.withLock { $0.values.first { $0.guest == guest } }?.agent
        agent?.disconnect(because: "its guest is detached")
    }

    func join(client: Int32, channel: Int32, _ ends: AgentConnection, for agent: AgentGuest) -> Bool {
        guard let network, let guest = admitted.withLock({ $0[agent.id] })?.guest,
            let engine = network.state.withLock({ $0.members[guest]?.engine })
        else { return false }
        engine.join(
            client: OwnedDescriptor(adopting: client), channel: OwnedDescriptor(adopting: channel), from: ends.client,
            to: ends.server,
            route: network.number(of: ends.route, agent: agent), isOpenedByGuest: ends.target == nil)
        return true
    }

    func approve(
        _ request: PublishRequest, for agent: AgentGuest, holding count: Int
    ) throws(Refusal) -> PublishRequest {
        guard let network else { throw Refusal(errorNumber: ECONNREFUSED, text: "the network has ended") }
        let (publishing, policy) = (network.configuration.agentPublishing, network.configuration.publishOn)
        guard let place = publishing.place(for: request.host, within: policy) else {
            network.state.withLock { $0.agentPortsRefused += 1 }
            let isBoundElsewhere = publishing.place(for: request.host, within: .everywhere) != nil
            throw Refusal(
                errorNumber: EACCES,
                text: isBoundElsewhere
                    ? "\(request.host): \(policy.reason)" : publishing.refusal(of: request.host))
        }
        let most = network.configuration.limits.portsPerAgent
        guard count < most else {
            network.state.withLock { $0.agentPortsBeyondLimit += 1 }
            throw Refusal(
                errorNumber: ENOSPC,
                text: "\(request.host): the agent has \(most) ports already, as many as --max-agent-ports allows")
        }
        var approved = request
        approved.host = TransportAddress(address: place, port: request.host.port)
        return approved
    }

    func publish(_ granted: PublishRequest, for agent: AgentGuest) { note(granted, agent, problem: nil) }

    func refuse(_ request: PublishRequest, because refusal: Refusal, for agent: AgentGuest) {
        let transport = request.transport == .tcp ? PortForward.Transport.tcp : .udp
        // The kernel's error message is replaced by a more precise text; any other text is precise already.
        let hasWords = refusal.text != String(cString: strerror(refusal.errorNumber))
        let problem =
            hasWords ? refusal.text : AgentPlace.problem(refusal.errorNumber, request.host, transport)
        note(request, agent, problem: problem)
    }

    func refuseForward(_ number: UInt32, because refusal: Refusal, for agent: AgentGuest) {
        network?.refuseForward(number, because: refusal.text, for: agent)
    }

    func unpublish(_ number: UInt32, for agent: AgentGuest) { network?.forget(.agent(number), of: agent) }

    private func note(_ request: PublishRequest, _ agent: AgentGuest, problem: String?) {
        let target = DialTarget(request.transport == .tcp ? .tcp(request.guest) : .udp(request.guest))
        network?.note(
            .agent, .agent(request.number), AgentForward(.address(request.host), to: target), of: agent,
            problem: problem)
    }

    func report(_ changes: [PortReport.Change], of agent: AgentGuest) {
        guard let network else { return }
        // No lock is held between the read and the write, because reports arrive one after another, on the agents'
        // thread.
        var listeners = followed.withLock { $0[agent.id] } ?? FollowedListeners()
        network.follow(changes, of: agent, &listeners)
        followed.withLock { $0[agent.id] = listeners }
    }

    func hostSocket(named name: String, for agent: AgentGuest) -> String? {
        network?.configuration.agentSockets[name]
    }
}
