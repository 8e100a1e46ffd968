internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayStorage
internal import RingwaySystem
internal import RingwayWire

/// One agent's time with the host: its control channel, and everything that lives as long as that does.
final class AgentSession: HostMember {
    /// Nanoseconds in which all channels for frames are to be opened.
    private static var openingTimeout: UInt64 { 10_000_000_000 }
    /// Bytes of messages that an agent which does not read may leave with us.
    private static var maximumUnsent: Int { 256 << 10 }
    /// Ports that one agent may have at once.
    private static var maximumForwards: Int { 10_000 }
    /// Pieces of messages that are received before other agents get their turn.
    private static var piecesPerTurn: Int { 128 }

    let agent: AgentGuest
    let identifier: SessionIdentifier
    let origin: ChannelOrigin
    let peer: ConnectionPeer
    private(set) var isAdmitted = false
    private let mostQueues: Int
    private var reader = AgentMessageReader.ofHost()
    /// Those that the host takes; the agent may offer more.
    private var queues: [Int32?]
    private var deadline: UInt64 = 0
    private var unsent: [UInt8] = []
    /// Why nothing can be sent to the agent any more; ends the session at the end of the turn.
    private var sendFailure: String?
    private var forwards: [AgentRoute: [HostMember]] = [:]
    /// Those among them that the agent has asked for.
    private var publishedCount = 0
    var streams = IdleStreams()
    /// By which the agent's flows are counted; its own once it is admitted.
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

    // MARK: Beginning

    /// Admits the agent if all of its channels for frames are there.
    func admitWhenComplete() {
        if deadline == 0 { deadline = (host?.loop.now ?? 0) + Self.openingTimeout }
        guard !isAdmitted, let host else { return }
        let present = queues.compactMap(\.self)
        guard present.count == queues.count else { return }
        do throws(Refusal) {
            var welcome = try host.reception.admit(agent, queues: present)
            if present.count < agent.offer.queues { welcome.queues = UInt8(present.count) }
            // The reception owns them now.
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

    /// Ends idle flows for the sake of others, as many as are due.
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

    /// A further channel of the agent's, whose hello has come.
    func take(_ channel: PendingChannel, _ role: Hello.Role) {
        switch role {
        case .control: channel.close()
        case .frames(let queue, let count):
            guard count == agent.offer.queues else {
                return channel.refuse(AgentError.invalid, "queue \(queue) of \(count) does not belong here")
            }
            // More than the host takes: the welcome says how many those are.
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

    /// Called several times a second.
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

    /// Sends a message to the agent, now or as soon as it reads.
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
        if unsent.count > Self.maximumUnsent { return failToSend("it does not read what it is told") }
        host?.loop.setInterest(unsent.isEmpty ? .read : [.read, .write], of: self)
    }

    private func failToSend(_ reason: String) {
        sendFailure = reason
        unsent = []
        // The caller may be in the middle of something that needs the session.
        host?.loop.resume(self)
    }

    override func resumed() {
        if let sendFailure { host?.end(self, because: sendFailure) }
    }

    /// Sends the host's time of day.
    func setClock() { send(.clock(ringway_clock())) }

    // MARK: Forwards

    /// Accepts clients at a socket, which is adopted. False means that there is no room for it.
    @discardableResult
    func forward(
        _ listener: Int32, to target: DialTarget, key: AgentRoute, charge: DescriptorCharge = .none
    ) -> Bool {
        _ = ringway_set_nonblocking(listener)
        let member: HostMember =
            switch target.endpoint {
            case .udp: DatagramForward(listener, target: target, route: key, session: self)
            case .tcp, .unix: StreamForward(listener, target: target, route: key, session: self)
            }
        member.charge = charge
        guard forwards.count < Self.maximumForwards, let host, host.watch(member) else {
            member.close()
            return false
        }
        forwards[key, default: []].append(member)
        return true
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
            guard forward(descriptor, to: target, key: key, charge: .lasting(share)) else {
                throw Refusal(errorNumber: ENOSPC)
            }
            publishedCount += 1
            var granted = approved
            granted.host.port = port
            host.reception.publish(granted, for: agent)
            send(.published(PublishAnswer(number: request.number, port: port)))
        } catch {
            // A request of a number that is granted already is the agent's fault, and says nothing of the port.
            if forwards[key] == nil { host?.reception.refuse(request, because: error, for: agent) }
            send(.published(PublishAnswer(number: request.number, port: request.host.port, refusal: error)))
        }
    }

    /// Opens a socket whose descriptor is counted.
    private func openPublished(_ request: PublishRequest) throws(Refusal) -> (descriptor: Int32, port: UInt16) {
        do throws(Refusal) {
            return try PublishedSocket.open(request)
        } catch {
            share.releaseLasting()
            throw error
        }
    }

    // MARK: Ending

    /// Closes everything but connections that exist, which end with the agent's own end of them.
    func tearDown() {
        for queue in queues { if let queue { Glibc.close(queue) } }
        queues = []
        for key in forwards.keys { endForward(key) }
        closeStreams()
        close()
    }
}
