internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import RingwaySplice
internal import RingwayStorage

/// What the agents' thread does. Nothing here is touched by any other thread.
final class HostLoop {
    private static var wakeTag: UInt64 { 0 }
    /// Conversations whose hello has not been heard. For a further one the oldest goes of those who have most.
    private static var maximumFresh: Int { 1_024 }
    /// Agents at once.
    private static var maximumSessions: Int { 1_024 }
    /// Nanoseconds of sleep after which guests are told the time.
    private static var shortestSleep: UInt64 { 1_000_000_000 }
    /// Milliseconds between two looks at what has taken too long.
    private static var interval: Int32 { 250 }

    let token: [UInt8]
    /// Queues that an agent's guest gets; it may offer more.
    private let mostQueues: Int
    let reception: any AgentReception
    let budget: DescriptorBudget
    private let wakeUp: WakeUp
    private var queue: EventQueue
    private var members = MemberTable()
    private var nextLook: UInt64 = 0
    private(set) var now: UInt64 = ringway_monotonic_nanoseconds()
    private var sessions: [SessionIdentifier: AgentSession] = [:]
    private var nextAgent: UInt32 = 0
    /// Those whose hello is awaited, by their tags, which grow.
    private var fresh: [UInt64: FreshConversation] = [:]
    /// How long the machine had slept when it was looked at last.
    private var slept = ringway_time_asleep()
    private var host: AgentHost?
    var pipes = PipePool(limit: 1_024)
    private var countedPipes = 0
    /// Connections that are carried here and have something to do.
    private var turn: [CarriedConnection] = []
    /// Members that have left something for the next turn, lest all others wait.
    private var unfinished: [LoopMember] = []

    init(
        token: [UInt8], mostQueues: Int, budget: DescriptorBudget, reception: any AgentReception, wakeUp: WakeUp
    ) throws(AgentFailure) {
        self.token = token
        self.mostQueues = mostQueues
        self.budget = budget
        self.reception = reception
        self.wakeUp = wakeUp
        queue = try EventQueue()
        _ = queue.addReadable(wakeUp.descriptor, tag: Self.wakeTag)
    }

    /// Runs until it is told to stop.
    func run(
        host: AgentHost, _ take: () -> (work: [@Sendable (HostLoop) -> Void], isStopping: Bool)
    ) {
        self.host = host
        blockSignals()
        var isStopping = false
        while !isStopping {
            var events: [EventQueue.Event] = []
            queue.wait(milliseconds: turn.isEmpty && unfinished.isEmpty ? Self.interval : 0) { events.append($0) }
            now = ringway_monotonic_nanoseconds()
            for event in events {
                if event.tag != Self.wakeTag {
                    members[event.tag]?.ready(event)
                    continue
                }
                let (work, stops) = take()
                for item in work { item(self) }
                isStopping = stops
            }
            runTurn()
            if now >= nextLook { lookAtAll() }
        }
        for session in sessions.values { end(session, because: "the host ends") }
        for member in members.all { member.close() }
        budget.removeStanding(countedPipes)
        self.host = nil
    }

    /// Signals are for the program's own threads, and a splice to a peer that is gone would raise one.
    private func blockSignals() {
        var set = sigset_t()
        sigfillset(&set)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    private func lookAtAll() {
        nextLook = now + UInt64(Self.interval) * 1_000_000
        for member in members.all { member.look(at: now) }
        for session in sessions.values { session.look(at: now) }
        let asleep = ringway_time_asleep()
        // Clocks of guests stood still meanwhile, and nobody else tells them.
        if asleep > slept + Self.shortestSleep { for session in sessions.values { session.setClock() } }
        slept = asleep
    }

    // MARK: Members

    /// Tells a member of every change of its descriptor, where it has one, and of the time.
    @discardableResult
    func watch(_ member: LoopMember) -> Bool {
        members.insert(member, of: self)
        guard member.descriptor < 0 || queue.add(member.descriptor, tag: member.tag) else {
            member.close()
            return false
        }
        return true
    }

    func unwatch(_ member: LoopMember) {
        guard member.tag != 0 else { return }
        queue.remove(member.descriptor)
        members.remove(member)
    }

    /// Has a member go on in the next turn with what it has left: the kernel tells of it no more.
    func resume(_ member: LoopMember) {
        guard member.tag != 0, !member.isUnfinished else { return }
        member.isUnfinished = true
        unfinished.append(member)
    }

    /// Waits for the hello of a conversation that somebody has opened.
    func greet(_ conversation: FreshConversation) {
        guard budget.addStandingWhereFree(1) else { return conversation.close() }
        conversation.charge = .standing(budget)
        watch(conversation)
        guard fresh.count > Self.maximumFresh else { return }
        let waiting = fresh.keys.sorted().compactMap { fresh[$0] }
        if let index = ConnectionPeer.excess(among: waiting.map(\.peer)) { waiting[index].close() }
    }

    func noteFresh(_ conversation: FreshConversation, _ isFresh: Bool) {
        fresh[conversation.tag] = isFresh ? conversation : nil
    }

    // MARK: Sessions

    func session(of agent: UInt32) -> AgentSession? { sessions.values.first { $0.agent.id == agent } }

    func session(_ identifier: SessionIdentifier) -> AgentSession? { sessions[identifier] }

    /// An agent's control conversation has come.
    func open(_ identifier: SessionIdentifier, _ offer: GuestOffer, _ conversation: FreshConversation) {
        guard let host, sessions[identifier] == nil else {
            return conversation.refuse(AgentError.invalid, "the session has its control conversation already")
        }
        guard sessions.count < Self.maximumSessions || makeRoom(for: conversation.peer) else {
            return conversation.refuse(AgentError.full, "the host has \(sessions.count) agents, and takes no more")
        }
        nextAgent += 1
        let (origin, peer) = (conversation.origin, conversation.peer)
        let session = AgentSession(
            conversation.relinquish(), agent: AgentGuest(id: nextAgent, offer: offer, host: host),
            identifier: identifier, origin: origin, peer: peer, mostQueues: mostQueues)
        session.charge = .standing(budget)
        budget.addStanding(1)
        guard watch(session) else { return }
        sessions[identifier] = session
        replace(session)
        session.admitWhenComplete()
    }

    /// Ends the oldest session of a machine, or a user, that has more of them than the newcomer's would have.
    private func makeRoom(for newcomer: ConnectionPeer) -> Bool {
        let all = sessions.values.sorted { $0.agent.id < $1.agent.id }
        guard let index = ConnectionPeer.excess(among: all.map(\.peer) + [newcomer]), index < all.count,
            all[index].peer.party != newcomer.party
        else { return false }
        end(all[index], because: "its machine has more agents than others, and there is room for no more")
        return true
    }

    /// Ends the session that an agent had before it was started again, where the machine that it comes from tells that
    /// it is the same: a guest that ends without a word is missed by a vsock only after a while.
    private func replace(_ session: AgentSession) {
        guard let machine = session.origin.machine else { return }
        for other in sessions.values
        where other !== session && other.origin.machine == machine
            && other.agent.offer.mac == session.agent.offer.mac
        {
            end(other, because: "its agent has come again")
        }
    }

    func end(_ session: AgentSession, because reason: String) {
        guard sessions.removeValue(forKey: session.identifier) != nil else { return }
        session.tearDown()
        if session.isAdmitted { reception.depart(session.agent, because: reason) }
    }

    // MARK: Forwards

    func forward(_ listener: Int32, to target: DialTarget, key: AgentRoute, agent: UInt32) {
        guard let session = session(of: agent) else {
            close(listener)
            return
        }
        session.forward(listener, to: target, key: key)
    }

    func endForward(_ key: AgentRoute, agent: UInt32) { session(of: agent)?.endForward(key) }

    /// Starts to connect to a monitor's socket, for as long as the loop runs.
    func connect(_ monitor: MonitorSocket) {
        monitor.loop = self
        monitor.connect()
    }

    // MARK: Connections carried here

    func carry(_ connection: CarriedConnection) {
        guard watch(connection.client), watch(connection.conversation) else { return connection.end(reset: true) }
        schedule(connection)
    }

    /// What is carried here for an agent.
    func flows(of agent: UInt32) -> [AgentFlow] {
        members.all.flatMap(\.flows).filter { $0.agent == agent }
    }

    /// What could end of an agent's, the idlest first.
    func idle(of agent: UInt32) -> [IdleMember] {
        members.all.flatMap { $0.idle(of: agent) }.sorted { $0.usedAt < $1.usedAt }
    }

    func end(_ connection: CarriedConnection) { connection.end(reset: true, &pipes) }

    private func countPipes() {
        let change = pipes.descriptors - countedPipes
        guard change != 0 else { return }
        countedPipes += change
        if change > 0 { budget.addStanding(change) } else { budget.removeStanding(-change) }
    }

    func schedule(_ connection: CarriedConnection) {
        guard !connection.isInTurn else { return }
        connection.isInTurn = true
        turn.append(connection)
    }

    private func runTurn() {
        let visited = turn
        turn.removeAll(keepingCapacity: true)
        if !visited.isEmpty { pipes.mayGrow = budget.hasRoom }
        for connection in visited {
            connection.isInTurn = false
            if connection.visit(&pipes, now: now) { schedule(connection) }
        }
        countPipes()
        let members = unfinished
        unfinished.removeAll(keepingCapacity: true)
        for member in members {
            member.isUnfinished = false
            if member.tag != 0 { member.goOn() }
        }
    }
}
