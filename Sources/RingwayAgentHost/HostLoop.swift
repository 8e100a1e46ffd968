internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwayRelay
internal import RingwayStorage
internal import RingwaySystem

/// The state of the agents' thread: sessions, channels without a session, and relays that no shard takes. Confined to
/// this thread.
final class HostLoop {
    /// The most channels without a hello. Beyond it the oldest channel of the peer with the most such channels is
    /// closed.
    private static var maximumPending: Int { 1_024 }
    /// The most agents.
    private static var maximumSessions: Int { 1_024 }
    /// The shortest suspension, in nanoseconds, after which the host sends its time to guests.
    private static var shortestSleep: UInt64 { 1_000_000_000 }

    let loop: EventLoop
    let token: [UInt8]
    /// The most queues of an agent's guest; the agent may offer more.
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
    private var nextMonitor: UInt64 = 0
    /// The channels on which no hello has arrived, by their numbers. A later channel has a higher number.
    private var pending: [UInt64: PendingChannel] = [:]
    /// The machine's total time of suspension when last read.
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

    /// Checks timeouts several times a second, while there are agents.
    private final class Ticker: LoopMember {
        /// The interval between two checks, in nanoseconds.
        static var interval: UInt64 { 250_000_000 }

        weak var host: HostLoop?

        override func deadlinePassed(now: UInt64) { host?.tick(now: now) }
    }

    private func tick(now: UInt64) {
        for session in sessions.values { session.tick(now: now) }
        let asleep = ringway_time_asleep()
        // The guests' clocks have stopped during the suspension, and guests do not notice it.
        if asleep > slept + Self.shortestSleep { for session in sessions.values { session.setClock() } }
        slept = asleep
        if !sessions.isEmpty { loop.schedule(ticker, at: now + Ticker.interval) }
    }

    // MARK: Members

    /// Registers a member's descriptor for reading. If that fails, closes the member and returns false.
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

    /// Waits for the hello on a channel that an agent has opened.
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

    /// Opens a session for a new control channel.
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

    /// Makes room for a new session by ending the oldest session of the user or machine with the most sessions.
    /// Returns false, and ends none, if that is the new session's own user or machine.
    private func makeRoom(for newcomer: ConnectionPeer) -> Bool {
        let all = sessions.values.sorted { $0.agent.id < $1.agent.id }
        guard let index = ConnectionPeer.excess(among: all.map(\.peer) + [newcomer]), index < all.count,
            all[index].peer.party != newcomer.party
        else { return false }
        end(all[index], because: "its machine has more agents than others, and there is room for no more")
        return true
    }

    /// Ends the previous session of a restarted agent: the session with the same machine (CID) and MAC address. A guest
    /// that is killed does not close its vsock connections, and the host would notice that only after a while.
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
        if let refusal = session.forward(listener, to: target, key: key), case .host(let number) = key {
            reception.refuseForward(number, because: refusal, for: session.agent)
        }
    }

    func endForward(_ key: AgentRoute, agent: UInt32) { session(of: agent)?.endForward(key) }

    /// Connects to a monitor's socket. Whenever the agent has begun to use the connection, the host opens the next
    /// one.
    func connect(_ monitor: MonitorSocket) {
        nextMonitor += 1
        monitor.begin(on: self, number: nextMonitor)
    }

    // MARK: Relays

    func add(_ relay: HostRelay) { relayed[ObjectIdentifier(relay)] = relay }

    func remove(_ relay: HostRelay) { relayed[ObjectIdentifier(relay)] = nil }

    /// The flows of an agent that are relayed on this thread.
    func flows(of agent: UInt32) -> [AgentFlow] {
        relayed.values.filter { $0.agent == agent }.compactMap(\.flow)
    }

    /// An agent's flows that may be ended, longest idle first.
    func idle(of agent: UInt32) -> [IdleMember] {
        relayed.values.filter { $0.agent == agent }
            .map { relay in IdleMember(usedAt: relay.usedAt) { relay.end(reset: true) } }
            .sorted { $0.usedAt < $1.usedAt }
    }
}
