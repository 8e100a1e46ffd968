internal import RingwaySystem

/// A sender of queries: a shard's datagrams, or one connection.
class Client: LoopMember {
    unowned let service: Service
    /// The number of the guest that it works for, by which clients share what the resolver has.
    let guest: UInt32
    let descriptor: Descriptor

    /// Its queries that are with a nameserver.
    private(set) var exchanges: [ObjectIdentifier: Exchange] = [:]

    /// Its connections to nameservers. No two clients share one, so a slow answer holds up its own queries only.
    private(set) var upstreamStreams: [Nameserver: UpstreamStream] = [:]

    init(adopting descriptor: Int32, guest: UInt32, service: Service) {
        self.guest = guest
        self.descriptor = Descriptor(adopting: descriptor)
        self.service = service
        super.init()
        // Where the kernel does not watch it, it gets no answers, as if the service were overloaded.
        service.loop.register(self, descriptor: self.descriptor.rawValue, interest: .read)
    }

    var isOpen: Bool { descriptor.isOpen }

    /// Whether answers may only be as long as the client can take in a datagram.
    var takesDatagrams: Bool { true }

    /// Whether the sender of a query with this tag can reach the guests' network by IPv6.
    func hasIPv6(_ tag: ClientTag) -> Bool { tag.hasIPv6 }

    /// Sends an answer, or drops it: never waits.
    func send(_ answer: [UInt8], tag: ClientTag) {}

    /// One of its exchanges is over.
    func exchangeEnded() {}

    /// Closes everything the client has. Answers on their way are dropped.
    func close() {
        guard isOpen else { return }
        service.loop.remove(self)
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

    /// The connection to `server`, made when there is none; `nil` when there can be none.
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
