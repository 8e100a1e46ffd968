internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwayRelay
internal import RingwayStorage
internal import RingwaySystem

/// The ready streams of an agent, and the requests to dial a server that wait for a stream.
struct IdleStreams {
    /// A request to connect to a server in the guest, and what to do with the result.
    struct Dial {
        let target: DialTarget
        let deadline: UInt64
        let completion: (Result<HostStream, Refusal>) -> Void
    }

    /// Ready streams, the oldest first.
    var idle: [HostStream] = []
    var waiting: [Dial] = []
    /// Streams with a dial that the agent has not answered.
    var asked: [ObjectIdentifier: HostStream] = [:]
    /// The number of streams that were requested from the agent and have not arrived.
    var expected = 0
}

extension AgentSession {
    /// Timeout of a dial in nanoseconds, including the guest's own connect.
    private static var dialTimeout: UInt64 { 30_000_000_000 }
    /// The most clients that wait for a stream.
    private static var maximumWaiting: Int { 16_384 }
    /// The most ready streams of an agent.
    private static var maximumIdle: Int { 4_096 }
    /// The number of ready streams to keep after a burst of clients.
    private static var usualIdle: Int { 32 }

    /// Dials a server in the guest.
    func dial(_ target: DialTarget, _ completion: @escaping (Result<HostStream, Refusal>) -> Void) {
        let now = host?.loop.now ?? 0
        let dial = IdleStreams.Dial(target: target, deadline: now + Self.dialTimeout, completion: completion)
        if let stream = streams.idle.popLast() { return begin(dial, on: stream) }
        guard isAdmitted, streams.waiting.count < Self.maximumWaiting else {
            return completion(.failure(Refusal(errorNumber: AgentError.gone)))
        }
        streams.waiting.append(dial)
        requestStreams()
    }

    /// Requests streams from the agent, so that each dial that waits gets one.
    private func requestStreams() {
        let missing = streams.waiting.count - streams.expected
        guard missing > 0 else { return }
        let count = UInt16(clamping: missing)
        streams.expected += Int(count)
        send(.moreStreams(count))
    }

    /// Fails the dial that has waited longest. Called when the agent has opened a stream for which the guest's share
    /// has no descriptor.
    func failForLackOfDescriptors() {
        if streams.expected > 0 { streams.expected -= 1 }
        guard !streams.waiting.isEmpty else { return }
        streams.waiting.removeFirst().completion(.failure(Refusal(errorNumber: EMFILE)))
    }

    /// Takes a stream that the agent has opened. Its descriptor is counted in the share.
    func addStream(_ descriptor: Int32) {
        if streams.expected > 0 { streams.expected -= 1 }
        let stream = HostStream(descriptor, session: self)
        stream.charge = .flow(share)
        guard streams.idle.count < Self.maximumIdle, let host, host.watch(stream) else { return stream.close() }
        guard let dial = streams.waiting.first else {
            streams.idle.append(stream)
            return
        }
        streams.waiting.removeFirst()
        begin(dial, on: stream)
    }

    private func begin(_ dial: IdleStreams.Dial, on stream: HostStream) {
        streams.asked[ObjectIdentifier(stream)] = stream
        stream.dial(dial)
    }

    /// Called when a stream's dial was answered, or the stream ends.
    func forget(_ stream: HostStream) {
        streams.asked[ObjectIdentifier(stream)] = nil
        streams.idle.removeAll { $0 === stream }
    }

    func expireDials(at now: UInt64) {
        let late = streams.waiting.filter { $0.deadline <= now }
        guard !late.isEmpty else { return }
        streams.waiting.removeAll { $0.deadline <= now }
        // Streams that were requested and have not arrived no longer count as expected, so that the next dial requests
        // them again.
        streams.expected = 0
        for dial in late { dial.completion(.failure(Refusal(errorNumber: AgentError.timedOut))) }
    }

    /// Closes a quarter of the ready streams beyond `usualIdle`, which were opened for a burst.
    func trimStreams() {
        let surplus = streams.idle.count - Self.usualIdle
        guard surplus > 0, streams.waiting.isEmpty else { return }
        for stream in Array(streams.idle.prefix(surplus / 4 + 1)) {
            forget(stream)
            stream.close()
        }
    }

    func closeStreams() {
        let (waiting, asked, idle) = (streams.waiting, streams.asked, streams.idle)
        streams = IdleStreams()
        for dial in waiting { dial.completion(.failure(Refusal(errorNumber: AgentError.gone))) }
        for stream in asked.values { stream.fail(Refusal(errorNumber: AgentError.gone)) }
        for stream in idle { stream.close() }
    }

    // MARK: Joining

    /// Relays between a client's socket and an agent's channel, which are both adopted, and counted in the share.
    func join(client: Int32, channel: Int32, _ ends: AgentConnection) {
        guard let host else {
            // The agents' thread is ending.
            Glibc.close(client)
            Glibc.close(channel)
            return share.release(2)
        }
        guard !host.reception.join(client: client, channel: channel, ends, for: agent) else { return }
        RelayedConnection(client: client, channel: channel, agent: agent.id, ends, share, host: host).start()
    }

    /// Joins the channel of a program in the guest to a socket of the host.
    func joinHostSocket(_ channel: PendingChannel, _ name: String) {
        guard isAdmitted, let path = host?.reception.hostSocket(named: name, for: agent) else {
            return channel.refuse(AgentError.forbidden, "the host has no socket \(name) for this guest")
        }
        guard share.acquire(2) == .granted else {
            return channel.refuse(EMFILE, "the guest has as many connections as its share of descriptors allows")
        }
        guard let server = OwnedDescriptor(result: ringway_unix_open()), ringway_set_nonblocking(server.rawValue) == 0,
            ringway_unix_connect(server.rawValue, path, path.utf8.count) == 0
        else {
            let refusal = Refusal(errorNumber: errno)
            share.release(2)
            return channel.refuse(refusal.errorNumber, refusal.text)
        }
        guard channel.welcome() else {
            share.release(2)
            return channel.close()
        }
        join(
            client: server.take(), channel: channel.relinquish(),
            AgentConnection(route: .hostSocket(name), client: nil, target: nil))
    }
}
