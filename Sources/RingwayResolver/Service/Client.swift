internal import RingwaySystem

/// A source of queries: the socket to a shard (`DatagramClient`), or a DNS connection (`StreamClient`).
class Client: LoopMember {
    unowned let service: Service
    /// The number of the guest that sends the queries. Limits are shared by guests, not by clients (`GuestShares`).
    let guest: UInt32
    let descriptor: Descriptor

    /// The client's queries in progress.
    private(set) var exchanges: [ObjectIdentifier: Exchange] = [:]

    /// The client's connections to nameservers. Clients do not share connections, so a slow answer only delays queries
    /// of the client that asked.
    private(set) var upstreamStreams: [Nameserver: UpstreamStream] = [:]

    init(adopting descriptor: Int32, guest: UInt32, service: Service) {
        self.guest = guest
        self.descriptor = Descriptor(adopting: descriptor)
        self.service = service
        super.init()
        // If the kernel refuses to register the descriptor, queries are not read, and the client's timeouts expire.
        service.loop.register(self, descriptor: self.descriptor.rawValue, interest: .read)
    }

    var isOpen: Bool { descriptor.isOpen }

    /// Whether the client's queries came by UDP, so that an answer must fit the datagram size that its query allows.
    var takesDatagrams: Bool { true }

    /// Whether the sender of a query with this tag can reach the guests' network by IPv6.
    func hasIPv6(_ tag: ClientTag) -> Bool { tag.hasIPv6 }

    /// Sends an answer, or drops it; never blocks.
    func send(_ answer: [UInt8], tag: ClientTag) {}

    /// Called when one of the client's exchanges has ended.
    func exchangeEnded() {}

    /// Closes the client's socket and its connections to nameservers. Queries in progress get no answer.
    func close() {
        guard isOpen else { return }
        service.loop.removeForClosing(self)
        descriptor.close()
        for exchange in Array(exchanges.values) { exchange.abandon() }
        for stream in Array(upstreamStreams.values) { stream.close() }
        service.clientClosed(self)
    }

    func add(_ exchange: Exchange) {
        exchanges[ObjectIdentifier(exchange)] = exchange
    }

    func remove(_ exchange: Exchange) {
        exchanges[ObjectIdentifier(exchange)] = nil
        if isOpen { exchangeEnded() }
    }

    /// The connection to `server`, opened if there is none; `nil` if that is impossible.
    func upstreamStream(to server: Nameserver) -> UpstreamStream? {
        if let stream = upstreamStreams[server] { return stream }
        guard let stream = service.openUpstreamStream(to: server, for: self) else { return nil }
        upstreamStreams[server] = stream
        return stream
    }

    func remove(_ stream: UpstreamStream) {
        if upstreamStreams[stream.server] === stream { upstreamStreams[stream.server] = nil }
    }
}
