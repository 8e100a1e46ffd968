internal import RingwayStorage
internal import RingwaySystem

/// The state of the resolver's thread: its loop, its clients, and their shared limits. Confined to that thread.
///
/// Theory of operation: a `Client` reads queries and passes them to `accept`. Queries for the zone are answered at
/// once. Any other query becomes an `Exchange`, which asks nameservers in the order and at the times of its
/// `AttemptPlan`, by UDP with one `DatagramAttempt` for each server, or by TCP through the client's `UpstreamStream`
/// to the server. The first matching answer is returned to the client with the client's identifier.
final class Service {
    let loop: EventLoop
    /// A buffer for one message of any size with its framing. All reads share it, and copy what they keep.
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 64)
    let identifiers = RandomIdentifiers()
    let limits: Resolver.Limits
    /// The limit on sockets to nameservers.
    let descriptors: DescriptorShare
    /// Idle UDP sockets.
    private(set) lazy var sockets = UpstreamSockets(self)
    private(set) var isStopping = false

    /// Servers to ask last.
    var suspects = Suspects()

    private let board: StatisticsBoard
    private let zone: CurrentZone
    private let serversFollowed: (@Sendable ([Nameserver]) -> Void)?
    private let searchFollowed: (@Sendable ([String]) -> Void)?
    private var search: [String]?
    private let hasOwnUpstreams: Bool
    private var upstreams: Upstreams
    private var follower: ResolvConfFollower?
    private var clients: [ObjectIdentifier: Client] = [:]
    /// The limits shared by guests: queries, their bytes, connections from clients and connections to nameservers.
    private var queries: GuestShares<Exchange>
    private var queryBytes: GuestShares<Exchange>
    private var streams: GuestShares<StreamClient>
    private var upstreamStreams: GuestShares<UpstreamStream>
    private var rotation = 0

    init(
        on loop: EventLoop, _ configuration: Resolver.Configuration, zone: CurrentZone, board: StatisticsBoard
    ) {
        self.loop = loop
        self.board = board
        self.zone = zone
        limits = configuration.limits
        queries = GuestShares(capacity: limits.outstandingQueries)
        queryBytes = GuestShares(capacity: limits.outstandingBytes)
        streams = GuestShares(capacity: limits.clientStreams)
        upstreamStreams = GuestShares(capacity: limits.upstreamStreams)
        descriptors = configuration.descriptors
        serversFollowed = configuration.serversFollowed
        searchFollowed = configuration.searchFollowed
        hasOwnUpstreams = configuration.upstreams != nil
        let servers = (configuration.upstreams ?? []).map { Nameserver($0) }
        upstreams = Upstreams(servers: servers, limits: configuration.limits)
        guard !hasOwnUpstreams || searchFollowed != nil else { return }
        let follower = ResolvConfFollower(
            path: configuration.resolvConfPath, port: configuration.resolvConfPort, loop: loop
        ) { [unowned self] conf in
            follow(conf)
        }
        self.follower = follower
        follow(follower.current)
    }

    deinit { scratch.deallocate() }

    /// Closes all clients, idle sockets and the watch on `resolv.conf`, before the loop ends.
    func stop() {
        isStopping = true
        for client in Array(clients.values) { client.close() }
        sockets.closeAll()
        stopFollowing()
    }

    /// Closes the watch on `resolv.conf`. The servers and search domains in force stay.
    func stopFollowing() {
        follower?.close()
        follower = nil
    }

    func count(_ counter: WritableKeyPath<Resolver.Statistics, UInt64>) {
        board.update { $0[keyPath: counter] += 1 }
    }

    // MARK: Queries

    /// Answers or forwards a query. Returns false if it is malformed; the client then drops it or closes its
    /// connection.
    func accept(_ message: [UInt8], from client: Client, tag: ClientTag) -> Bool {
        count(\.queries)
        guard let query = Query(message) else {
            count(\.droppedMalformed)
            return false
        }
        if let answer = zone.value.answer(to: query, hasIPv6: client.hasIPv6(tag)) {
            count(\.builtin)
            if MessageHeader(answer)?.flags.responseCode == .nameError { count(\.nonexistent) }
            client.send(answer, tag: tag)
            return true
        }
        guard zone.forwards else {
            count(\.denied)
            client.send(query.answer(code: .refused), tag: tag)
            return true
        }
        guard queries.admits(client.guest), queryBytes.admits(client.guest, units: message.count) else {
            count(\.refusedOutstanding)
            client.send(query.failure(), tag: tag)
            return true
        }
        follower?.refreshIfUnwatched()
        let exchange = Exchange(query, from: client, tag: tag, upstreams: upstreams, service: self)
        exchange.shares = QueryShares(
            query: queries.take(exchange, for: client.guest),
            bytes: queryBytes.take(exchange, for: client.guest, units: message.count))
        client.add(exchange)
        board.update {
            $0.forwarded += 1
            $0.outstanding += 1
        }
        // This query takes its share first, so that a displaced client that immediately repeats its query does not get
        // the freed units.
        while let other = queries.displaced ?? queryBytes.displaced { other.evict() }
        exchange.start()
        return true
    }

    /// An exchange's shares of the limits.
    struct QueryShares {
        let query: GuestShares<Exchange>.Ticket
        let bytes: GuestShares<Exchange>.Ticket
    }

    func ended(_ exchange: Exchange) {
        if let shares = exchange.shares {
            queries.release(shares.query)
            queryBytes.release(shares.bytes)
        }
        exchange.shares = nil
        board.update { $0.outstanding -= 1 }
    }

    /// Ends the oldest query of the guest with most queries, to free its descriptors. Returns false if that guest
    /// does not have at least two queries more than `guest`.
    func displaceQuery(for guest: UInt32) -> Bool {
        guard let other = queries.greedier(than: guest) else { return false }
        other.evict()
        return true
    }

    /// Plans how to ask `upstreams` by TCP or UDP. TCP takes a round trip more than UDP, so its intervals are twice
    /// as long.
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
        guard let client = client as? StreamClient else { return }
        if let place = client.place { streams.release(place) }
        client.place = nil
        board.update { $0.streams -= 1 }
    }

    func openUpstreamStream(to server: Nameserver, for client: Client) -> UpstreamStream? {
        guard upstreamStreams.admits(client.guest) else {
            count(\.upstreamStreamsRefused)
            return nil
        }
        guard
            let stream = UpstreamStream(to: server, owner: client, timeout: upstreams.timeout, service: self)
        else { return nil }
        stream.place = upstreamStreams.take(stream, for: client.guest)
        while let other = upstreamStreams.displaced { other.evict() }
        return stream
    }

    func upstreamStreamClosed(_ stream: UpstreamStream) {
        if let place = stream.place { upstreamStreams.release(place) }
        stream.place = nil
    }

    func serveDatagrams(_ descriptor: Int32, guest: UInt32) {
        let client = DatagramClient(adopting: descriptor, guest: guest, service: self)
        clients[ObjectIdentifier(client)] = client
    }

    func serveStream(_ descriptor: Int32, guest: UInt32, hasIPv6: Bool) {
        if streams.used >= streams.capacity { makeRoomForStream(of: guest) }
        guard streams.used < streams.capacity else {
            count(\.streamsRefused)
            return Descriptor(adopting: descriptor).close()
        }
        let client = StreamClient(adopting: descriptor, guest: guest, hasIPv6: hasIPv6, service: self)
        clients[ObjectIdentifier(client)] = client
        client.place = streams.take(client, for: guest)
        board.update {
            $0.streamsOpened += 1
            $0.streams += 1
        }
    }

    /// Closes a connection to make room for another one of `guest`. If another guest has more connections than `guest`
    /// would then have, the guest with most loses its connection that has been idle for longest. If none is idle, it
    /// loses the one without traffic for longest.
    private func makeRoomForStream(of guest: UInt32) {
        guard let greediest = streams.greediest else { return }
        let isGreedier = streams.used(by: guest) + 1 < greediest.used
        // Otherwise `guest` loses a connection of its own, but only an idle one.
        let candidates = streams.holders(of: isGreedier ? greediest.guest : guest)
        if let idlest = candidates.filter(\.isIdle).min(by: { $0.lastActivity < $1.lastActivity }) {
            count(\.streamsIdle)
            idlest.close()
        } else if isGreedier, let quietest = candidates.min(by: { $0.lastActivity < $1.lastActivity }) {
            count(\.streamsDisplaced)
            quietest.close()
        }
    }

    // MARK: Changes

    private func follow(_ conf: ResolvConf) {
        defer { count(\.resolvConfReads) }
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
        serversFollowed?(followed.servers)
    }
}
