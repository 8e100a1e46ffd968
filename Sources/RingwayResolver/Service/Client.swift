internal import RingwaySystem

/// A source of queries: a shard's datagrams, or one connection.
class Client: LoopMember {
    unowned let service: Service
    /// The number of the client's guest, by which limits are shared.
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
        // If the kernel refuses to register the descriptor, the client gets no answers, as from an overloaded service.
        service.loop.register(self, descriptor: self.descriptor.rawValue, interest: .read)
    }

    var isOpen: Bool { descriptor.isOpen }

    /// Whether answers are limited to the client's datagram size.
    var takesDatagrams: Bool { true }

    /// Whether the sender of a query with this tag can reach the guests' network by IPv6.
    func hasIPv6(_ tag: ClientTag) -> Bool { tag.hasIPv6 }

    /// Sends an answer, or drops it; never blocks.
    func send(_ answer: [UInt8], tag: ClientTag) {}

    /// Called when one of the client's exchanges has ended.
    func exchangeEnded() {}

    /// Closes everything that belongs to the client. Pending answers are dropped.
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
