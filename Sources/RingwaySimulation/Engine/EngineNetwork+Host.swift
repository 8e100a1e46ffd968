internal import Glibc
internal import RingwayEngine
internal import RingwayModel
internal import RingwayRing
internal import RingwaySystem
internal import RingwayWire

/// The host's side: servers to which the guest connects, clients of published ports, and sockets inside the guest.
extension EngineNetwork {
    // MARK: Servers

    func connects(_ stream: ModelStream, to address: TransportAddress) {
        if stream.isInsideGuest { return connectsInside(stream, to: address) }
        guard let flow = scenario.base.flows.first(where: { !$0.isOpenedByHost && $0.hostAddress == address })?.index
        else { return fail("a connect to \(address), where nothing is") }
        stream.local =
            stream.local
            ?? TransportAddress(
                address: stream.isIPv4 ? ModelHost.nowhere4.address : ModelHost.nowhere6.address, port: host.freePort())
        log("flow \(flow): connects")
        let isPrompt = random.chance(host.script.promptConnects)
        guard !isPrompt || scenario.base.flows[flow].connectAnswers.last == .timedOut else {
            return answer(stream, flow)
        }
        schedule(after: scenario.base.flows[flow].connectDelay) { [unowned self] in answer(stream, flow) }
    }

    private func answer(_ stream: ModelStream, _ flow: Int) {
        guard !stream.isReleased else { return }
        let script = scenario.base.flows[flow]
        let attempt = fates[flow].attempts
        fates[flow].attempts += 1
        let answer = script.connectAnswers[min(attempt, script.connectAnswers.count - 1)]
        log("flow \(flow): connect \(answer)")
        host.note(6, UInt64(flow), UInt64(attempt))
        switch answer {
        case .succeeds: attach(script, stream)
        case .refused: stream.refuse(ECONNREFUSED)
        case .hostUnreachable: stream.refuse(EHOSTUNREACH)
        case .networkUnreachable: stream.refuse(ENETUNREACH)
        case .prohibited: stream.refuse(EACCES)
        case .timedOut: stream.refuse(ETIMEDOUT)
        case .exhausted: stream.refuse(ENOBUFS)
        }
    }

    @discardableResult
    private func attach(_ script: FlowScript, _ stream: ModelStream, hasRecords: Bool = false) -> EnginePeer {
        let peer = EnginePeer(script, stream, self, hasRecords: hasRecords)
        peers.append(peer)
        stream.connected(to: peer)
        peer.streamChanged()
        return peer
    }

    // MARK: Clients of published ports

    func publishPorts() {
        guard let engine else { return }
        for script in scenario.base.flows where script.isOpenedByHost {
            let listener = ModelListener(host, script.remote)
            listeners[script.index] = listener
            let descriptor = host.open(listener)
            ports.append(descriptor)
            engine.listen(
                descriptor, on: random.integer(0...Self.shardCount - 1), forward: UInt32(script.index),
                guest: script.guest, isStream: true)
        }
    }

    func openFromHost(_ flow: Int) {
        let script = scenario.base.flows[flow]
        if scenario.agentFlows.contains(flow) { return openThroughAgent(script) }
        guard let listener = listeners[flow], !listener.isReleased, !hasAskedForPorts else { return }
        let stream = ModelStream(host, ipv4: !script.isIPv6)
        stream.remote = script.hostAddress
        stream.local = listener.address
        attach(script, stream)
        listener.append(stream)
        log("flow \(flow): a client connects")
        guard random.chance(0.5) else { return }
        // A second client follows, possibly after the first has ended. The guest accepts only one connection per flow,
        // and refuses the second.
        schedule(after: random.time(0...10_000_000_000)) { [unowned self] in connectAgain(script, listener) }
    }

    private func connectAgain(_ script: FlowScript, _ listener: ModelListener) {
        guard phase == .running, !listener.isReleased, !hasAskedForPorts else { return }
        let stream = ModelStream(host, ipv4: !script.isIPv6)
        stream.remote = script.hostAddress
        stream.local = listener.address
        attach(script, stream)
        listener.append(stream)
        log("flow \(script.index): another client connects")
    }

    /// Connects clients while the guest is being removed. Some are accepted on one shard after the guest has left the
    /// shard that owns their flow.
    func connectLast() {
        for script in scenario.base.flows where script.isOpenedByHost && random.chance(0.5) {
            guard let listener = listeners[script.index] else { continue }
            schedule(after: random.pick([0, 1_000, 20_000])) { [unowned self] in
                guard !listener.isReleased else { return }
                let stream = ModelStream(host, ipv4: !script.isIPv6)
                stream.remote = script.hostAddress
                stream.local = listener.address
                attach(script, stream)
                listener.append(stream)
            }
        }
    }

    /// Opens a flow through the guest's agent: a client on the host, and a channel to the agent, which has already
    /// connected to the server.
    private func openThroughAgent(_ script: FlowScript) {
        guard phase == .running, let engine else { return }
        let client = ModelStream(host, ipv4: true)
        let channel = ModelStream(host, ipv4: true, isInsideGuest: true)
        let descriptors = (host.open(client), host.open(channel))
        guard descriptors.0 >= 0, descriptors.1 >= 0 else {
            for descriptor in [descriptors.0, descriptors.1] where descriptor >= 0 { _ = host.close(descriptor) }
            return
        }
        relayed.insert(script.index)
        log("flow \(script.index): a client comes through the agent")
        attach(script, client)
        attach(script, channel, hasRecords: true)
        engine.join(
            client: OwnedDescriptor(adopting: descriptors.0), channel: OwnedDescriptor(adopting: descriptors.1),
            on: random.integer(0...Self.shardCount - 1))
    }

    // MARK: Sockets inside the guest

    func socketsWanted(family: UInt8, count: Int, _ line: ModelSocketLine) {
        let delay = random.time(0...10_000_000)
        let given = random.chance(0.1) ? 0 : count
        schedule(after: delay) { [unowned self] in
            guard line.holds > 0 else { return }
            line.answer(
                family: family,
                sockets: (0..<given).map { _ in ModelStream(host, ipv4: family == 4, isInsideGuest: true) })
        }
    }

    private func connectsInside(_ stream: ModelStream, to address: TransportAddress) {
        guard let flow = flow(ofGuestPort: Int(address.port)) else {
            return fail("a connect to the guest's \(address), where nothing is")
        }
        let script = scenario.base.flows[flow]
        let isThere = script.guestListens && address.address == script.guest.address && !fates[flow].hasVanished
        // Sometimes, and always after the guest has vanished, a connect inside the guest gets no answer. The engine
        // must then use the link for this client.
        if random.chance(0.1) || fates[flow].hasVanished { return }
        let isPrompt = random.chance(0.7)
        let body: () -> Void = { [unowned self] in
            guard !stream.isReleased else { return }
            guard isThere else { return stream.refuse(ECONNREFUSED) }
            relayed.insert(flow)
            log("flow \(flow): goes around the link")
            attach(script, stream)
        }
        if isPrompt { body() } else { schedule(after: random.time(0...200_000_000), body) }
    }
}
