internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import RingwayStorage

/// The streams that an agent keeps ready, and the dials that wait for one.
struct StreamStock {
    /// One connection that is wanted.
    struct Dial {
        let target: DialTarget
        let deadline: UInt64
        let completion: (Result<HostStream, Refusal>) -> Void
    }

    /// Ready, the one used least recently first.
    var idle: [HostStream] = []
    var waiting: [Dial] = []
    /// Dials that the agent is thinking about.
    var asked: [ObjectIdentifier: HostStream] = [:]
    /// Streams that the agent has been asked for and that have not come.
    var expected = 0
}

extension AgentSession {
    /// Nanoseconds that a dial may take, the guest's own connect included.
    private static var dialPatience: UInt64 { 30_000_000_000 }
    /// Clients that may wait for a stream.
    private static var maximumWaiting: Int { 16_384 }
    /// Streams that an agent may keep ready.
    private static var maximumIdle: Int { 4_096 }
    /// Streams that are left ready when a crowd of clients has gone.
    private static var usualIdle: Int { 32 }

    /// Dials a server in the guest.
    func dial(_ target: DialTarget, _ completion: @escaping (Result<HostStream, Refusal>) -> Void) {
        let now = loop?.now ?? 0
        let dial = StreamStock.Dial(target: target, deadline: now + Self.dialPatience, completion: completion)
        if let stream = streams.idle.popLast() { return begin(dial, on: stream) }
        guard isAdmitted, streams.waiting.count < Self.maximumWaiting else {
            return completion(.failure(Refusal(errorNumber: AgentError.gone)))
        }
        streams.waiting.append(dial)
        askForStreams()
    }

    /// Asks for as many streams as there are dials without one.
    private func askForStreams() {
        let missing = streams.waiting.count - streams.expected
        guard missing > 0 else { return }
        let count = UInt16(clamping: missing)
        streams.expected += Int(count)
        tell(.moreStreams(count))
    }

    /// The agent has opened a stream for which its guest's share has no descriptor: a client that waits for one is told.
    func lackStream() {
        if streams.expected > 0 { streams.expected -= 1 }
        guard !streams.waiting.isEmpty else { return }
        streams.waiting.removeFirst().completion(.failure(Refusal(errorNumber: EMFILE)))
    }

    /// The agent has opened a stream, whose descriptor is counted.
    func addStream(_ descriptor: Int32) {
        if streams.expected > 0 { streams.expected -= 1 }
        let stream = HostStream(descriptor, session: self)
        stream.charge = .flow(share)
        guard streams.idle.count < Self.maximumIdle, let loop, loop.watch(stream) else { return stream.close() }
        guard let dial = streams.waiting.first else {
            streams.idle.append(stream)
            return
        }
        streams.waiting.removeFirst()
        begin(dial, on: stream)
    }

    private func begin(_ dial: StreamStock.Dial, on stream: HostStream) {
        streams.asked[ObjectIdentifier(stream)] = stream
        stream.dial(dial)
    }

    /// A stream has been answered, or is gone.
    func forget(_ stream: HostStream) {
        streams.asked[ObjectIdentifier(stream)] = nil
        streams.idle.removeAll { $0 === stream }
    }

    func expireDials(at now: UInt64) {
        let late = streams.waiting.filter { $0.deadline <= now }
        guard !late.isEmpty else { return }
        streams.waiting.removeAll { $0.deadline <= now }
        // An agent that opened too few is asked again.
        streams.expected = 0
        for dial in late { dial.completion(.failure(Refusal(errorNumber: AgentError.timedOut))) }
    }

    /// Closes some of the streams that were opened for a crowd.
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
        streams = StreamStock()
        for dial in waiting { dial.completion(.failure(Refusal(errorNumber: AgentError.gone))) }
        for stream in asked.values { stream.fail(Refusal(errorNumber: AgentError.gone)) }
        for stream in idle { stream.close() }
    }

    // MARK: Joining

    /// Has bytes move between a plain socket and a conversation, both adopted and counted.
    func join(client: Int32, conversation: Int32, _ ends: AgentConnection) {
        guard let loop, !loop.reception.join(client: client, conversation: conversation, ends, for: agent) else {
            return
        }
        loop.carry(CarriedConnection(client: client, conversation: conversation, agent: agent.id, ends, share))
    }

    /// A program of the guest's wants a socket of the host's.
    func joinHostSocket(_ conversation: FreshConversation, _ name: String) {
        guard isAdmitted, let path = loop?.reception.hostSocket(named: name, for: agent) else {
            return conversation.refuse(AgentError.forbidden, "the host has no socket \(name) for this guest")
        }
        guard share.acquire(2) == .granted else {
            return conversation.refuse(EMFILE, "the guest has as many connections as its share of descriptors allows")
        }
        let descriptor = ringway_unix_open()
        guard descriptor >= 0, ringway_set_nonblocking(descriptor) == 0,
            ringway_unix_connect(descriptor, path, path.utf8.count) == 0
        else {
            let refusal = Refusal(errorNumber: errno)
            if descriptor >= 0 { Glibc.close(descriptor) }
            share.release(2)
            return conversation.refuse(refusal.errorNumber, refusal.text)
        }
        guard conversation.welcome() else {
            Glibc.close(descriptor)
            share.release(2)
            return conversation.close()
        }
        join(
            client: descriptor, conversation: conversation.relinquish(),
            AgentConnection(route: .hostSocket(name), client: nil, target: nil))
    }
}
