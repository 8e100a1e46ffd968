internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import RingwayStorage
internal import RingwayWire

/// One agent's time with the host: its control conversation, and everything that lives as long as that does.
final class AgentSession: LoopMember {
    /// Nanoseconds in which all conversations for frames are to come.
    private static var patience: UInt64 { 10_000_000_000 }
    /// Octets that an agent which does not read may leave with us.
    private static var longestBacklog: Int { 256 << 10 }
    /// Ports that one agent may have at once.
    private static var maximumForwards: Int { 10_000 }
    /// Pieces of messages that are heard before other agents get their turn.
    private static var turnPieces: Int { 128 }

    let agent: AgentGuest
    let identifier: SessionIdentifier
    let origin: ConversationOrigin
    let peer: ConnectionPeer
    private(set) var isAdmitted = false
    private let mostQueues: Int
    private var reader = AgentMessageReader.ofHost()
    /// Those that the host takes; the agent may offer more.
    private var queues: [Int32?]
    private var deadline: UInt64 = 0
    private var departing: [UInt8] = []
    /// Why nothing can be said to the agent any more; ends the session as soon as it is visited.
    private var deafness: String?
    private var forwards: [AgentRoute: [LoopMember]] = [:]
    /// Those among them that the agent has asked for.
    private var publishedCount = 0
    var streams = StreamStock()
    /// By which the agent's flows are counted; its own once it is admitted.
    private(set) var share = DescriptorShare.unbounded()

    init(
        _ descriptor: Int32, agent: AgentGuest, identifier: SessionIdentifier, origin: ConversationOrigin,
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

    /// Lets the agent in if all of its conversations for frames are there.
    func admitWhenComplete() {
        if deadline == 0 { deadline = (loop?.now ?? 0) + Self.patience }
        guard !isAdmitted, let loop else { return }
        let present = queues.compactMap(\.self)
        guard present.count == queues.count else { return }
        do throws(Refusal) {
            var welcome = try loop.reception.admit(agent, queues: present)
            if present.count < agent.offer.queues { welcome.queues = UInt8(present.count) }
            // They are somebody else's now.
            queues = []
            isAdmitted = true
            beginSharing(loop)
            tell(.welcome(welcome))
            setClock()
        } catch {
            tell(.refusal(error))
            loop.end(self, because: error.text)
        }
    }

    private func beginSharing(_ loop: HostLoop) {
        share = loop.reception.descriptors(of: agent)
        let agent = agent
        share.onDemand { agent.giveBack() }
    }

    /// Ends idle flows for the sake of others, as many as are due.
    func giveBack() {
        guard share.isInDebt, let loop else { return }
        let kept = streams.idle.map { stream in
            IdleMember(usedAt: 0) { [weak self] in
                self?.forget(stream)
                stream.close()
            }
        }
        for member in kept + loop.idle(of: agent.id) {
            guard share.takeDebt() else { return }
            member.end()
        }
    }

    /// A further conversation of the agent's, which has said what it is for.
    func take(_ conversation: FreshConversation, _ role: Hello.Role) {
        switch role {
        case .control: conversation.close()
        case .frames(let queue, let count):
            guard count == agent.offer.queues else {
                return conversation.refuse(AgentError.invalid, "queue \(queue) of \(count) does not belong here")
            }
            // Further ones than are taken: the agent is told how many when it is welcomed.
            guard queue < mostQueues else {
                return conversation.refuse(AgentError.full, "the host takes \(mostQueues) queues")
            }
            guard !isAdmitted, queues[Int(queue)] == nil else {
                return conversation.refuse(AgentError.invalid, "queue \(queue) of \(count) does not belong here")
            }
            guard conversation.welcome() else { return conversation.close() }
            queues[Int(queue)] = conversation.relinquish()
            admitWhenComplete()
        case .stream:
            guard isAdmitted else { return conversation.close() }
            guard share.acquire() == .granted else {
                conversation.close()
                return lackStream()
            }
            guard conversation.welcome() else {
                share.release()
                return conversation.close()
            }
            addStream(conversation.relinquish())
        case .hostSocket(let name): joinHostSocket(conversation, name)
        }
    }

    override func look(at now: UInt64) {
        guard let loop else { return }
        if !isAdmitted, now >= deadline { return loop.end(self, because: "it did not open all of its queues") }
        if let deafness { return loop.end(self, because: deafness) }
        expireDials(at: now)
        trimStreams()
    }

    // MARK: Messages

    override func ready(_ event: EventQueue.Event) {
        if event.isWritable { flush() }
        hear()
    }

    override func goOn() { hear() }

    private func hear() {
        do {
            for _ in 0..<Self.turnPieces {
                if let deafness { loop?.end(self, because: deafness) }
                guard descriptor >= 0, let octets = try Octets.receive(descriptor, reader.wanted) else { return }
                if let message = try reader.take(octets) { try obey(message) }
            }
            loop?.resume(self)
        } catch let failure as AgentProtocolFailure {
            loop?.end(self, because: "it sent \(failure)")
        } catch {
            loop?.end(self, because: "it has closed its control conversation")
        }
    }

    private func obey(_ message: AgentMessage) throws {
        guard isAdmitted, let loop else { throw AgentProtocolFailure.invalidValue }
        switch message {
        case .ports(let report): loop.reception.report(report.changes, of: agent)
        case .publish(let request): publish(request)
        case .unpublish(let number):
            endForward(.agent(number))
            loop.reception.unpublish(number, for: agent)
        default: throw AgentProtocolFailure.invalidValue
        }
    }

    /// Says something to the agent, now or as soon as it reads.
    func tell(_ message: AgentMessage) {
        guard deafness == nil else { return }
        departing += message.octets
        flush()
    }

    private func flush() {
        while !departing.isEmpty {
            let sent = send(descriptor, departing, departing.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            if sent < 0, errno == EINTR { continue }
            if sent < 0, errno == EAGAIN { break }
            guard sent > 0 else { return fallSilent("it has closed its control conversation") }
            departing.removeFirst(sent)
        }
        if departing.count > Self.longestBacklog { fallSilent("it does not read what it is told") }
    }

    private func fallSilent(_ reason: String) {
        deafness = reason
        departing = []
    }

    /// Sends the host's time of day.
    func setClock() { tell(.clock(ringway_clock())) }

    // MARK: Forwards

    /// Waits for clients at a socket, which is adopted. False means that there is no room for it.
    @discardableResult
    func forward(
        _ listener: Int32, to target: DialTarget, key: AgentRoute, charge: DescriptorCharge = .none
    ) -> Bool {
        _ = ringway_set_nonblocking(listener)
        let member: LoopMember =
            switch target.endpoint {
            case .udp: DatagramForward(listener, target: target, route: key, session: self)
            case .tcp, .unix: StreamForward(listener, target: target, route: key, session: self)
            }
        member.charge = charge
        guard forwards.count < Self.maximumForwards, let loop, loop.watch(member) else {
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
            guard let loop else { throw Refusal(errorNumber: AgentError.gone) }
            let approved = try loop.reception.approve(request, for: agent, holding: publishedCount)
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
            loop.reception.publish(granted, for: agent)
            tell(.published(PublishAnswer(number: request.number, port: port)))
        } catch {
            // A request of a number that is granted already is the agent's fault, and says nothing of the port.
            if forwards[key] == nil { loop?.reception.refuse(request, because: error, for: agent) }
            tell(.published(PublishAnswer(number: request.number, port: request.host.port, refusal: error)))
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
