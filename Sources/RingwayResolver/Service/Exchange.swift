internal import RingwayStorage
internal import RingwaySystem

/// One query on its way through the nameservers, until it is answered, given up or abandoned.
///
/// All tries listen until the end, so a slow server's answer counts even when the next one has been asked meanwhile.
/// A query that came by datagram starts by datagram, one that came over a connection starts over a connection: so what a
/// client sees of size and truncation is what its nameserver does. Where no server can be reached that way, the other
/// way is tried before the query fails.
final class Exchange: LoopMember {
    let query: Query

    private let client: Client
    private let tag: ClientTag
    private let service: Service
    private let upstreams: Upstreams
    private let end: UInt64

    private var plan: AttemptPlan
    private var goesByStream: Bool
    private var hasChangedTransport = false
    private var attempts: [DatagramAttempt] = []
    private var streamRequests: [(stream: UpstreamStream, identifier: UInt16)] = []

    /// The servers asked on the present way, in that order; one asked twice is in it twice.
    private var asked: [Int] = []

    /// The last answer that said SERVFAIL or REFUSED, for the case that no other server answers.
    private var badAnswer: [UInt8]?

    /// A zone transfer whose first message has been passed on; the others follow (RFC 5936 §2.2).
    private var isTransferring = false

    /// Whether it still counts as waiting.
    private var isWaiting = true

    private var isOver = false

    /// Its parts of what guests share, until it no longer counts as waiting.
    var shares: Service.QueryShares?

    init(_ query: Query, from client: Client, tag: ClientTag, upstreams: Upstreams, service: Service) {
        self.query = query
        self.client = client
        self.tag = tag
        self.upstreams = upstreams
        self.service = service
        let now = MonotonicClock.now()
        end = now + service.limits.longestWait.nanoseconds
        goesByStream = !client.takesDatagrams || upstreams.usesStreams
        plan = service.plan(for: upstreams, byStream: goesByStream, now: now, end: end)
    }

    /// Counts the query's sockets.
    var descriptors: DescriptorShare { service.descriptors }

    func start() {
        perform(plan.advance(now: MonotonicClock.now()))
    }

    // MARK: Events

    override func deadlinePassed(now: UInt64) {
        if isTransferring { return finish() }
        if !asked.isEmpty { service.count(\.timeouts) }
        perform(plan.advance(now: now))
    }

    /// A try cannot succeed any more.
    func failed(server: Int) {
        guard !isOver else { return }
        if isTransferring { return finish() }
        service.count(\.unreachable)
        perform(plan.setback(.unreachable, server: server, now: MonotonicClock.now()))
    }

    /// The connection was one that had served before: servers close those at any time, and a new one may do.
    func lostStream(server: Int) {
        guard !isOver else { return }
        if isTransferring { return finish() }
        if ask(server) != nil { failed(server: server) }
    }

    /// A message has come from a server that was asked. It is an answer only if it repeats what was asked.
    func received(_ message: [UInt8], server: Int, identifier: UInt16) {
        guard !isOver, query.isAnswered(by: message, identifier: identifier), let header = MessageHeader(message) else {
            service.count(\.mismatchedAnswers)
            return
        }
        let code = header.flags.responseCode
        if code == .serverFailure || code == .refused, !isTransferring {
            badAnswer = message
            return perform(plan.setback(.badAnswer, server: server, now: MonotonicClock.now()))
        }
        noteSilentServers(answering: server)
        if query.asksForTransfer, goesByStream, code == .success, !header.flags.contains(.truncated) {
            isTransferring = true
            deliver(message)
            // A client that has not read the messages before may have been closed for this one.
            guard !isOver else { return }
            service.loop.schedule(self, at: MonotonicClock.now() + upstreams.timeout)
        } else {
            stopWaiting()
            deliver(message)
            finish()
        }
    }

    /// Its client has gone.
    func abandon() {
        finish()
    }

    /// Fails, because a guest with fewer queries under way asks.
    func giveWay() {
        guard !isOver else { return }
        if isTransferring { return finish() }
        service.count(\.displaced)
        stopWaiting()
        client.send(query.failure(), tag: tag)
        finish()
    }

    // MARK: Steps

    private func perform(_ first: AttemptPlan.Step) {
        var step = first
        while !isOver {
            switch step {
            case .wait:
                return service.loop.schedule(self, at: plan.deadline)
            case .ask(let server):
                switch ask(server) {
                case nil:
                    return service.loop.schedule(self, at: plan.deadline)
                case .unreachable:
                    service.count(\.unreachable)
                    step = plan.setback(.unreachable, server: server, now: MonotonicClock.now())
                case .lacksDescriptors:
                    // The guest that holds most of them gives some back.
                    if service.displaceQuery(for: client.guest) {
                        step = .ask(server: server)
                        continue
                    }
                    service.count(\.lackedDescriptors)
                    return giveUp()
                }
            case .finish:
                guard badAnswer == nil, changeTransport() else { return giveUp() }
                step = plan.advance(now: MonotonicClock.now())
            }
        }
    }

    /// Sends the query; says why if it could not.
    private func ask(_ server: Int) -> DatagramAttempt.Failure? {
        let nameserver = upstreams.servers[server]
        if goesByStream {
            guard let stream = client.upstreamStream(to: nameserver) else { return .unreachable }
            guard let identifier = stream.ask(query, for: self, server: server) else { return .unreachable }
            streamRequests.append((stream, identifier))
        } else {
            do {
                attempts.append(
                    try DatagramAttempt(query, to: nameserver, server: server, exchange: self, service: service))
            } catch {
                return error
            }
        }
        asked.append(server)
        return nil
    }

    /// Goes on the other way, once. Silence over TCP may be a filter's; silence by UDP is a dead server's.
    private func changeTransport() -> Bool {
        guard !hasChangedTransport, goesByStream || plan.isUnreachable, !upstreams.servers.isEmpty else { return false }
        let now = MonotonicClock.now()
        guard now < end else { return false }
        hasChangedTransport = true
        goesByStream.toggle()
        asked = []
        service.count(goesByStream ? \.retriedOverStream : \.retriedOverDatagram)
        plan = service.plan(for: upstreams, byStream: goesByStream, now: now, end: end)
        return true
    }

    private func giveUp() {
        stopWaiting()
        if let badAnswer {
            service.count(\.upstreamFailures)
            deliver(badAnswer)
        } else {
            service.count(\.serverFailures)
            client.send(query.failure(), tag: tag)
        }
        finish()
    }

    private func deliver(_ message: [UInt8]) {
        service.count(\.answered)
        var answer = message.settingIdentifier(query.header.identifier)
        // What came by datagram passes as it is: the server knew the client's size from the query itself.
        if goesByStream, client.takesDatagrams {
            let fitting = Truncation.fit(answer, into: query.largestDatagram)
            if fitting.count < answer.count { service.count(\.truncated) }
            answer = fitting
        }
        client.send(answer, tag: tag)
    }

    private func finish() {
        guard !isOver else { return }
        isOver = true
        service.loop.remove(self)
        for attempt in attempts { attempt.close() }
        for (stream, identifier) in streamRequests { stream.forget(identifier) }
        attempts = []
        streamRequests = []
        stopWaiting()
        client.remove(self)
    }

    /// Before the answer goes out, so that a client which has it finds the counters right.
    private func stopWaiting() {
        guard isWaiting else { return }
        isWaiting = false
        service.ended(self)
    }

    /// Those asked before the one that answers, and silent to now, are on their way to be asked last.
    private func noteSilentServers(answering server: Int) {
        let now = MonotonicClock.now()
        for earlier in asked.prefix(while: { $0 != server }) where plan.isSilent(earlier) {
            service.suspects.noteSilence(of: upstreams.servers[earlier], now: now)
        }
        service.suspects.noteAnswer(of: upstreams.servers[server])
    }
}
