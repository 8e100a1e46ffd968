internal import RingwayStorage
internal import RingwayWire

/// The resolver's thread: its loop, its clients, and the bounds they share. Confined to that thread.
///
/// Theory of operation: a `Client` reads queries and gives them to `accept`. What the zone knows is answered there and
/// then. Everything else becomes an `Exchange`, which asks nameservers in the order and rhythm of its `AttemptPlan`:
/// by UDP with one `DatagramAttempt` each, by TCP through an `UpstreamStream` of its client. The first answer that
/// matches goes back to the client with the identifier it knows.
final class Service {
    let loop = EventLoop()
    let limits: Resolver.Limits
    /// By which sockets to nameservers are counted.
    let descriptors: DescriptorShare

    /// Servers to ask last.
    var suspects = Suspects()

    private let link: ServiceLink
    private var zone: BuiltinZone
    private let serversFollowed: (@Sendable ([Nameserver]) -> Void)?
    private let searchFollowed: (@Sendable ([String]) -> Void)?
    private var search: [String]?
    private let hasOwnUpstreams: Bool
    private var upstreams: Upstreams
    private var follower: ResolvConfFollower?
    private var wakePipe: WakePipe?
    private var clients: [ObjectIdentifier: Client] = [:]
    private var streamCount = 0
    private var upstreamStreamCount = 0
    private var outstanding = 0
    private var outstandingOctets = 0
    private var rotation = 0
    private var isStopped = false

    init(_ configuration: Resolver.Configuration, zone: BuiltinZone, link: ServiceLink) {
        self.link = link
        self.zone = zone
        limits = configuration.limits
        descriptors = configuration.descriptors
        serversFollowed = configuration.serversFollowed
        searchFollowed = configuration.searchFollowed
        hasOwnUpstreams = configuration.upstreams != nil
        let servers = (configuration.upstreams ?? []).map { Nameserver($0) }
        upstreams = Upstreams(servers: servers, limits: configuration.limits)
        wakePipe = WakePipe(reading: Descriptor(adopting: link.wakeReading), loop: loop) { [unowned self] in
            obey(link.takeCommands())
        }
        guard !hasOwnUpstreams || searchFollowed != nil else { return }
        let follower = ResolvConfFollower(
            path: configuration.resolvConfPath, port: configuration.resolvConfPort, loop: loop
        ) { [unowned self] conf in
            follow(conf)
        }
        self.follower = follower
        follow(follower.current)
    }

    /// Works until a stop is commanded.
    func run() {
        while !isStopped { loop.runTurn() }
        for client in Array(clients.values) { client.close() }
        loop.removeAll()
    }

    func count(_ counter: WritableKeyPath<Resolver.Statistics, UInt64>) {
        link.update { $0[keyPath: counter] += 1 }
    }

    // MARK: Queries

    /// Takes a query. `false` says that it is malformed; the client decides what that means for it.
    func accept(_ message: [UInt8], from client: Client, tag: ClientTag) -> Bool {
        count(\.queries)
        guard let query = Query(message) else {
            count(\.droppedMalformed)
            return false
        }
        if let answer = zone.answer(to: query, hasIPv6: client.hasIPv6(tag)) {
            count(\.builtin)
            if MessageHeader(answer)?.flags.responseCode == .nameError { count(\.nonexistent) }
            client.send(answer, tag: tag)
            return true
        }
        guard outstanding < limits.outstandingQueries, outstandingOctets + message.count <= limits.outstandingOctets
        else {
            count(\.refusedOutstanding)
            client.send(query.failure(), tag: tag)
            return true
        }
        follower?.refreshIfUnwatched()
        let exchange = Exchange(query, from: client, tag: tag, upstreams: upstreams, service: self)
        outstanding += 1
        outstandingOctets += message.count
        client.add(exchange)
        link.update {
            $0.forwarded += 1
            $0.outstanding += 1
        }
        exchange.start()
        return true
    }

    func ended(_ exchange: Exchange) {
        outstanding -= 1
        outstandingOctets -= exchange.query.octets.count
        link.update { $0.outstanding -= 1 }
    }

    /// A new query's plan. A connection takes a round trip more than a datagram, so servers get twice the time there.
    func plan(for upstreams: Upstreams, byStream: Bool, now: UInt64, end: UInt64) -> AttemptPlan {
        if upstreams.rotates { rotation &+= 1 }
        let first = upstreams.servers.isEmpty ? 0 : rotation % upstreams.servers.count
        let interval = limits.retryInterval.nanoseconds
        return AttemptPlan(
            order: suspects.order(upstreams.servers, first: first, now: now), rounds: upstreams.attempts,
            interval: byStream ? 2 * interval : interval, timeout: upstreams.timeout, now: now, end: end)
    }

    // MARK: Connections

    func clientClosed(_ client: Client) {
        clients[ObjectIdentifier(client)] = nil
        guard !client.takesDatagrams else { return }
        streamCount -= 1
        link.update { $0.streams -= 1 }
    }

    func openUpstreamStream(to server: Nameserver, for client: Client) -> UpstreamStream? {
        guard upstreamStreamCount < limits.upstreamStreams else {
            count(\.upstreamStreamsRefused)
            return nil
        }
        guard
            let stream = UpstreamStream(to: server, owner: client, patience: upstreams.timeout, service: self)
        else { return nil }
        upstreamStreamCount += 1
        return stream
    }

    func upstreamStreamClosed() {
        upstreamStreamCount -= 1
    }

    private func serveStream(_ descriptor: Int32, hasIPv6: Bool) {
        if streamCount >= limits.clientStreams { closeIdlestStream() }
        guard streamCount < limits.clientStreams else {
            count(\.streamsRefused)
            return Descriptor(adopting: descriptor).close()
        }
        let client = StreamClient(adopting: descriptor, hasIPv6: hasIPv6, service: self)
        clients[ObjectIdentifier(client)] = client
        streamCount += 1
        link.update {
            $0.streamsOpened += 1
            $0.streams += 1
        }
    }

    private func closeIdlestStream() {
        let idle = clients.values.compactMap { $0 as? StreamClient }.filter(\.isIdle)
        guard let idlest = idle.min(by: { $0.lastActivity < $1.lastActivity }) else { return }
        count(\.streamsIdle)
        idlest.close()
    }

    // MARK: Commands and changes

    private func obey(_ commands: [ServiceLink.Command]) {
        for command in commands {
            switch command {
            case .serveDatagrams(let descriptor):
                let client = DatagramClient(adopting: descriptor, service: self)
                clients[ObjectIdentifier(client)] = client
            case .serveStream(let descriptor, let hasIPv6):
                serveStream(descriptor, hasIPv6: hasIPv6)
            case .setZone(let renewed):
                zone = renewed
            case .stop:
                isStopped = true
            }
        }
    }

    private func follow(_ conf: ResolvConf) {
        if conf.search != search {
            search = conf.search
            searchFollowed?(conf.search)
        }
        guard !hasOwnUpstreams else { return }
        let followed = Upstreams(conf, limits: limits)
        if followed != upstreams {
            upstreams = followed
            suspects.forgetAll()
        }
        count(\.resolvConfReads)
        serversFollowed?(followed.servers)
    }
}
