internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwayStorage
internal import RingwaySystem

/// The session of one agent on the host's side: its control channel, and everything with the same lifetime.
final class AgentSession: HostMember {
    /// Timeout for opening all frame channels, nanoseconds.
    private static var openingTimeout: UInt64 { 10_000_000_000 }
    /// The most unsent bytes of messages to an agent that does not read.
    private static var maximumUnsent: Int { 256 << 10 }
    /// The most forwards of one agent. The network allows fewer: at most 10,000 ports that the agent publishes, as many
    /// that follow the guest's ports (the maximum of `--max-agent-ports`), and the configured ones.
    private static var maximumForwards: Int { 32_768 }
    /// The most reads of messages per turn, so that other agents get their turn.
    private static var piecesPerTurn: Int { 128 }

    let agent: AgentGuest
    let identifier: SessionIdentifier
    let origin: ChannelOrigin
    let peer: ConnectionPeer
    private(set) var isAdmitted = false
    private let mostQueues: Int
    private var reader = AgentMessageReader.ofHost()
    /// The frame channels of the accepted queues, each `nil` until it is connected. The agent may offer more queues.
    private var queues: [Int32?]
    private var deadline: UInt64 = 0
    private var unsent: [UInt8] = []
    /// Why sending to the agent failed, after which the session ends at the end of the turn; `nil` until then.
    private var sendFailure: String?
    private var forwards: [AgentRoute: [HostMember]] = [:]
    /// The number of ports that the agent has requested and been granted.
    private var publishedCount = 0
    var streams = IdleStreams()
    /// Counts the descriptors of the agent's flows. Unlimited until the agent is admitted; then the share that
    /// `AgentReception` returns.
    private(set) var share = DescriptorShare.unbounded()

    init(
        _ descriptor: Int32, agent: AgentGuest, identifier: SessionIdentifier, origin: ChannelOrigin,
        peer: ConnectionPeer, mostQueues: Int
    ) {
        self.agent = agent
        self.identifier = identifier
        self.origin = origin
        self.peer = peer
        self.mostQueues = mostQueues
        queues = Array(repeating: nil, count: min(Int(agent.offer.queues), mostQueues))
        super.init(descriptor)
    }

    // MARK: Opening

    /// Admits the agent if all of its frame channels are connected.
    func admitWhenComplete() {
        if deadline == 0 { deadline = (host?.loop.now ?? 0) + Self.openingTimeout }
        guard !isAdmitted, let host else { return }
        let present = queues.compactMap(\.self)
        guard present.count == queues.count else { return }
        do throws(Refusal) {
            var welcome = try host.reception.admit(agent, queues: present)
            if present.count < agent.offer.queues { welcome.queues = UInt8(present.count) }
            // The `AgentReception` owns the queues now.
            queues = []
            isAdmitted = true
            beginSharing(host)
            send(.welcome(welcome))
            setClock()
        } catch {
            send(.refusal(error))
            host.end(self, because: error.text)
        }
    }

    private func beginSharing(_ host: HostLoop) {
        share = host.reception.descriptors(of: agent)
        let agent = agent
        share.onDemand { agent.giveBack() }
    }

    /// Closes ready streams and then ends flows, longest idle first, until enough descriptors are returned to other
    /// guests.
    func giveBack() {
        guard share.isInDebt, let host else { return }
        let kept = streams.idle.map { stream in
            IdleMember(usedAt: 0) { [weak self] in
                self?.forget(stream)
                stream.close()
            }
        }
        for member in kept + host.idle(of: agent.id) {
            guard share.takeDebt() else { return }
            member.end()
        }
    }

    /// Takes over another channel of the agent, after the hello on that channel.
    func take(_ channel: PendingChannel, _ role: Hello.Role) {
        switch role {
        case .control: channel.close()
        case .frames(let queue, let count):
            guard count == agent.offer.queues else {
                return channel.refuse(AgentError.invalid, "queue \(queue) of \(count) does not belong here")
            }
            // The agent offers more queues than the host accepts, and this queue is beyond the limit.
            guard queue < mostQueues else {
                return channel.refuse(AgentError.full, "the host takes \(mostQueues) queues")
            }
            guard !isAdmitted, queues[Int(queue)] == nil else {
                return channel.refuse(AgentError.invalid, "queue \(queue) of \(count) does not belong here")
            }
            guard channel.welcome() else { return channel.close() }
            queues[Int(queue)] = channel.relinquish()
            admitWhenComplete()
        case .stream:
            guard isAdmitted else { return channel.close() }
            guard share.acquire() == .granted else {
                channel.close()
                return failForLackOfDescriptors()
            }
            guard channel.welcome() else {
                share.release()
                return channel.close()
            }
            addStream(channel.relinquish())
        case .hostSocket(let name): joinHostSocket(channel, name)
        }
    }

    /// Checks timeouts, and closes surplus streams. Called several times a second.
    func tick(now: UInt64) {
        guard isAdmitted else {
            if now >= deadline { host?.end(self, because: "it did not open all of its queues") }
            return
        }
        expireDials(at: now)
        trimStreams()
    }

    // MARK: Messages

    override func ready(_ events: EventLoop.Events) {
        if events.isWritable { flush() }
        receive()
    }

    private func receive() {
        do {
            for _ in 0..<Self.piecesPerTurn {
                guard descriptor >= 0, sendFailure == nil else { return }
                guard let bytes = try ChannelSocket.receive(descriptor, reader.wanted) else { return }
                if let message = try reader.take(bytes) { try handle(message) }
            }
        } catch let failure as AgentProtocolFailure {
            host?.end(self, because: "it sent \(failure)")
        } catch {
            host?.end(self, because: "it has closed its control connection")
        }
    }

    private func handle(_ message: AgentMessage) throws {
        guard isAdmitted, let host else { throw AgentProtocolFailure.invalidValue }
        switch message {
        case .ports(let report): host.reception.report(report.changes, of: agent)
        case .publish(let request): publish(request)
        case .unpublish(let number):
            endForward(.agent(number))
            host.reception.unpublish(number, for: agent)
        default: throw AgentProtocolFailure.invalidValue
        }
    }

    /// Sends a message to the agent, at once or when the socket has room.
    func send(_ message: AgentMessage) {
        guard sendFailure == nil else { return }
        unsent += message.bytes
        flush()
    }

    private func flush() {
        while !unsent.isEmpty {
            let sent = Glibc.send(descriptor, unsent, unsent.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            if sent < 0, errno == EINTR { continue }
            if sent < 0, errno == EAGAIN { break }
            guard sent > 0 else { return failToSend("it has closed its control connection") }
            unsent.removeFirst(sent)
        }
        if unsent.count > Self.maximumUnsent { return failToSend("it does not read its messages") }
        host?.loop.setInterest(unsent.isEmpty ? .read : [.read, .write], of: self)
    }

    private func failToSend(_ reason: String) {
        sendFailure = reason
        unsent = []
        // The caller may still need the session, so the session ends later in this turn.
        host?.loop.resume(self)
    }

    override func resumed() {
        if let sendFailure { host?.end(self, because: sendFailure) }
    }

    /// Sends the host's wall clock.
    func setClock() { send(.clock(ringway_clock())) }

    // MARK: Forwards

    /// Accepts clients on a socket, which is adopted.
    ///
    /// - Returns: `nil`, or a refusal if the agent has too many forwards or the loop cannot watch the socket. The
    ///   socket is then closed.
    func forward(
        _ listener: Int32, to target: DialTarget, key: AgentRoute, charge: DescriptorCharge = .none
    ) -> Refusal? {
        _ = ringway_set_nonblocking(listener)
        let member: HostMember =
            switch target.endpoint {
            case .udp: DatagramForward(listener, target: target, route: key, session: self)
            case .tcp, .unix: StreamForward(listener, target: target, route: key, session: self)
            }
        member.charge = charge
        guard forwards.count < Self.maximumForwards else {
            member.close()
            return Refusal(errorNumber: AgentError.full, text: "the agent has \(forwards.count) forwards already")
        }
        guard let host, host.watch(member) else {
            member.close()
            return Refusal(errorNumber: AgentError.full, text: "the host cannot watch one more socket")
        }
        forwards[key, default: []].append(member)
        return nil
    }

    func endForward(_ key: AgentRoute) {
        guard let members = forwards.removeValue(forKey: key) else { return }
        if case .agent = key { publishedCount -= 1 }
        for member in members { member.close() }
    }

    private func publish(_ request: PublishRequest) {
        let key = AgentRoute.agent(request.number)
        do throws(Refusal) {
            guard forwards[key] == nil else {
                throw Refusal(
                    errorNumber: AgentError.invalid, text: "request \(request.number) has been granted already")
            }
            guard forwards.count < Self.maximumForwards else { throw Refusal(errorNumber: ENOSPC) }
            guard let host else { throw Refusal(errorNumber: AgentError.gone) }
            let approved = try host.reception.approve(request, for: agent, holding: publishedCount)
            guard share.acquireLasting() == .granted else {
                throw Refusal(
                    errorNumber: EMFILE, text: "the guest has as many ports as its share of descriptors allows")
            }
            let (descriptor, port) = try openPublished(approved)
            let target = DialTarget(request.transport == .tcp ? .tcp(request.guest) : .udp(request.guest))
            if let refusal = forward(descriptor, to: target, key: key, charge: .lasting(share)) { throw refusal }
            publishedCount += 1
            var granted = approved
            granted.host.port = port
            host.reception.publish(granted, for: agent)
            send(.published(PublishAnswer(number: request.number, port: port)))
        } catch {
            // If this number was already granted, the agent is at fault, and no port was refused.
            if forwards[key] == nil { host?.reception.refuse(request, because: error, for: agent) }
            send(.published(PublishAnswer(number: request.number, port: request.host.port, refusal: error)))
        }
    }

    /// Opens the socket of a published port. The caller has counted its descriptor; on failure this undoes the count.
    private func openPublished(_ request: PublishRequest) throws(Refusal) -> (descriptor: Int32, port: UInt16) {
        do throws(Refusal) {
            return try PublishedSocket.open(request)
        } catch {
            share.releaseLasting()
            throw error
        }
    }

    // MARK: Ending

    /// Closes everything except relayed TCP and unix connections, which end when the agent closes its side. The flows
    /// of UDP clients end.
    func tearDown() {
        for queue in queues { if let queue { Glibc.close(queue) } }
        queues = []
        for key in forwards.keys { endForward(key) }
        closeStreams()
        close()
    }
}
