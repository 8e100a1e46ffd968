internal import RingwaySystem

/// One forwarded query, until it is answered, fails or is abandoned.
///
/// All attempts stay open until the end, so a slow server's answer counts even after the next server was asked. A
/// query is forwarded by the transport by which it came, or always by TCP if `resolv.conf` has `use-vc`. With the
/// same transport on both sides the nameserver already limits an answer to the client's datagram size. If no server
/// answers by the first transport, the other one may be tried (`changeTransport`).
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

    /// The indices of the servers asked by the current transport, in order; a server that was asked twice is listed
    /// twice.
    private var asked: [Int] = []

    /// The last SERVFAIL or REFUSED answer, in case no other server answers.
    private var badAnswer: [UInt8]?

    /// Whether the query is a zone transfer whose first message has been returned; more may follow (RFC 5936 §2.2).
    private var isTransferring = false

    /// Whether the query still counts as waiting for a nameserver.
    private var isWaiting = true

    private var isOver = false

    /// The query's shares of the limits; `nil` once the query no longer counts as waiting.
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

    func start() {
        perform(plan.advance(now: MonotonicClock.now()))
    }

    // MARK: Events

    override func deadlinePassed(now: UInt64) {
        if isTransferring { return finish() }
        if !asked.isEmpty { service.count(\.timeouts) }
        perform(plan.advance(now: now))
    }

    /// The attempt to ask `server` has failed.
    func failed(server: Int) {
        guard !isOver else { return }
        if isTransferring { return finish() }
        service.count(\.unreachable)
        perform(plan.setback(.unreachable, server: server, now: MonotonicClock.now()))
    }

    /// A connection on which the server had answered before is lost. Servers close such connections at any time, so the
    /// query is sent again on a new one.
    func lostStream(server: Int) {
        guard !isOver else { return }
        if isTransferring { return finish() }
        if ask(server) != nil { failed(server: server) }
    }

    /// A message from a server that was asked. It is dropped if it does not answer the query (`Query.isAnswered`).
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
        if query.requestsTransfer, goesByStream, code == .success, !header.flags.contains(.truncated) {
            isTransferring = true
            deliver(message)
            // `send` closes a client that has too many unread answers, which ends the exchange.
            guard !isOver else { return }
            service.loop.schedule(self, at: MonotonicClock.now() + upstreams.timeout)
        } else {
            stopWaiting()
            deliver(message)
            finish()
        }
    }

    /// Ends the query without an answer, because its client is closed.
    func abandon() {
        finish()
    }

    /// Ends the query in favour of a guest with fewer queries or bytes. The client gets SERVFAIL, but a zone transfer
    /// that has begun ends without another message.
    func evict() {
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
                    // Ends a query of the guest with most queries, to free its descriptors, and then repeats this step.
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

    /// Sends the query to a server; returns the failure if it could not be sent.
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

    /// Switches to the other transport, at most once; returns whether it did. If TCP fails in any way, UDP is tried,
    /// because a packet filter may have dropped TCP. If UDP fails, TCP is tried only if all servers are unreachable,
    /// because a server that does not respond by UDP is assumed to be down.
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
        // Only an answer by TCP may need truncation: over UDP the server knew the client's size from the query.
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

    /// Releases the query's shares of the limits, and no longer counts the query as waiting. Called before the answer
    /// is sent, so that both have changed when the client receives the answer.
    private func stopWaiting() {
        guard isWaiting else { return }
        isWaiting = false
        service.ended(self)
    }

    /// Records that the servers asked before `server` did not answer; after repeated failures they are asked last.
    private func noteSilentServers(answering server: Int) {
        let now = MonotonicClock.now()
        for earlier in asked.prefix(while: { $0 != server }) where plan.isSilent(earlier) {
            service.suspects.noteSilence(of: upstreams.servers[earlier], now: now)
        }
        service.suspects.noteAnswer(of: upstreams.servers[server])
    }
}
