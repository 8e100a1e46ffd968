internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayRelay
internal import RingwayStorage
internal import RingwaySystem

/// What the agents' thread does: its sessions, the channels that are not theirs yet, and the relays that no shard takes.
/// Nothing here is touched by any other thread.
final class HostLoop {
    /// Channels whose hello has not come. For a further one the oldest is closed of the party that has most.
    private static var maximumPending: Int { 1_024 }
    /// Agents at once.
    private static var maximumSessions: Int { 1_024 }
    /// Nanoseconds of sleep after which guests are sent the time.
    private static var shortestSleep: UInt64 { 1_000_000_000 }

    let loop: EventLoop
    let token: [UInt8]
    /// Queues that an agent's guest gets; it may offer more.
    private let mostQueues: Int
    let reception: any AgentReception
    let budget: DescriptorBudget
    private let host: AgentHost
    let relays: RelayGroup
    private let ticker = Ticker()
    private var members = MemberTable()
    private var relayed: [ObjectIdentifier: HostRelay] = [:]
    private var sessions: [SessionIdentifier: AgentSession] = [:]
    private var nextAgent: UInt32 = 0
    /// Those whose hello is awaited, by their numbers, which grow.
    private var pending: [UInt64: PendingChannel] = [:]
    /// How long the machine had slept when that was last asked.
    private var slept = ringway_time_asleep()

    init(
        on loop: EventLoop, token: [UInt8], mostQueues: Int, budget: DescriptorBudget, reception: any AgentReception,
        host: AgentHost
    ) {
        self.loop = loop
        self.token = token
        self.mostQueues = mostQueues
        self.budget = budget
        self.reception = reception
        self.host = host
        relays = RelayGroup(loop: loop, pipes: 1_024)
        relays.mayGrow = { budget.hasRoom }
        relays.descriptorsChanged = { change in
            if change > 0 { budget.addStanding(change) } else { budget.removeStanding(-change) }
        }
        ticker.host = self
    }

    /// Ends everything, before the loop ends.
    func end() {
        for session in sessions.values { end(session, because: "the host ends") }
        for member in members.all { member.close() }
        for relay in Array(relayed.values) { relay.end(reset: true) }
        relays.settle()
    }

    // MARK: Time

    /// Looks several times a second at what has taken too long, while there are agents.
    private final class Ticker: LoopMember {
        /// Nanoseconds.
        static var interval: UInt64 { 250_000_000 }

        weak var host: HostLoop?

        override func deadlinePassed(now: UInt64) { host?.tick(now: now) }
    }

    private func tick(now: UInt64) {
        for session in sessions.values { session.tick(now: now) }
        let asleep = ringway_time_asleep()
        // Clocks of guests stood still meanwhile, and nothing in them notices.
        if asleep > slept + Self.shortestSleep { for session in sessions.values { session.setClock() } }
        slept = asleep
        if !sessions.isEmpty { loop.schedule(ticker, at: now + Ticker.interval) }
    }

    // MARK: Members

    /// Waits for a member's descriptor, which it is to read.
    @discardableResult
    func watch(_ member: HostMember) -> Bool {
        members.insert(member, of: self)
        guard loop.register(member, descriptor: member.descriptor, interest: .read) else {
            member.close()
            return false
        }
        return true
    }

    func unwatch(_ member: HostMember) {
        guard member.number != 0 else { return }
        loop.remove(member)
        members.remove(member)
    }

    /// Waits for the hello of a channel that an agent has opened.
    func expectHello(on channel: PendingChannel) {
        guard budget.addStandingWhereFree(1) else { return channel.close() }
        channel.charge = .standing(budget)
        watch(channel)
        guard pending.count > Self.maximumPending else { return }
        let waiting = pending.keys.sorted().compactMap { pending[$0] }
        if let index = ConnectionPeer.excess(among: waiting.map(\.peer)) { waiting[index].close() }
    }

    func notePending(_ channel: PendingChannel, _ isPending: Bool) {
        pending[channel.number] = isPending ? channel : nil
    }

    // MARK: Sessions

    func session(of agent: UInt32) -> AgentSession? { sessions.values.first { $0.agent.id == agent } }

    func session(_ identifier: SessionIdentifier) -> AgentSession? { sessions[identifier] }

    /// An agent's control channel has come.
    func open(_ identifier: SessionIdentifier, _ offer: GuestOffer, _ channel: PendingChannel) {
        guard sessions[identifier] == nil else {
            return channel.refuse(AgentError.invalid, "the session has its control connection already")
        }
        guard sessions.count < Self.maximumSessions || makeRoom(for: channel.peer) else {
            return channel.refuse(AgentError.full, "the host has \(sessions.count) agents, and takes no more")
        }
        nextAgent += 1
        let (origin, peer) = (channel.origin, channel.peer)
        let session = AgentSession(
            channel.relinquish(), agent: AgentGuest(id: nextAgent, offer: offer, host: host),
            identifier: identifier, origin: origin, peer: peer, mostQueues: mostQueues)
        session.charge = .standing(budget)
        budget.addStanding(1)
        guard watch(session) else { return }
        if sessions.isEmpty {
            slept = ringway_time_asleep()
            loop.schedule(ticker, at: loop.now + Ticker.interval)
        }
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

    /// Ends the session that an agent had before it was started again, where the machine that it comes from proves that
    /// it is the same: a vsock notices only after a while that a guest has ended without closing.
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
        if session.isAdmitted { reception.didDisconnect(session.agent, because: reason) }
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
        monitor.host = self
        monitor.connect()
    }

    // MARK: Relays

    func add(_ relay: HostRelay) { relayed[ObjectIdentifier(relay)] = relay }

    func remove(_ relay: HostRelay) { relayed[ObjectIdentifier(relay)] = nil }

    /// What is relayed here for an agent.
    func flows(of agent: UInt32) -> [AgentFlow] {
        relayed.values.filter { $0.agent == agent }.compactMap(\.flow)
    }

    /// What could end of an agent's, the idlest first.
    func idle(of agent: UInt32) -> [IdleMember] {
        relayed.values.filter { $0.agent == agent }
            .map { relay in IdleMember(usedAt: relay.usedAt) { relay.end(reset: true) } }
            .sorted { $0.usedAt < $1.usedAt }
    }
}
