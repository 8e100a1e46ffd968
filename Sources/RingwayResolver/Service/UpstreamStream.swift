internal import Glibc
internal import RingwaySystem

/// A client's TCP connection to a nameserver. All of that client's queries to the nameserver share it: they are
/// pipelined, each with its own identifier (RFC 7766 §6.2.1).
final class UpstreamStream: LoopMember {
    let server: Nameserver

    private struct Request {
        let exchange: Exchange
        /// Index in the exchange's list of nameservers.
        let server: Int
    }

    private let owner: Client
    /// The connection's share of the limit on connections to nameservers.
    var place: GuestShares<UpstreamStream>.Ticket?
    private let service: Service
    private let descriptor: Descriptor
    private let timeout: UInt64
    private var isConnecting = true
    /// Whether the server has answered on this connection. If the connection is lost after that, queries are sent again
    /// on a new one.
    private var hasAnswered = false
    private var incoming = FrameAssembler()
    private var outgoing = FrameQueue()
    private var requests: [UInt16: Request] = [:]

    /// - Parameter timeout: the time in nanoseconds after which the connection fails if requests wait for a response.
    /// - Returns: `nil` if no descriptor is available, or if the connection fails at once.
    init?(to server: Nameserver, owner: Client, timeout: UInt64, service: Service) {
        guard
            let descriptor = Descriptor(
                family: server.family, type: SOCK_STREAM, countedBy: service.descriptors)
        else { return nil }
        self.server = server
        self.owner = owner
        self.service = service
        self.descriptor = descriptor
        self.timeout = timeout
        descriptor.setOption(level: Int32(IPPROTO_TCP), name: TCP_NODELAY, value: 1)
        let result = server.withSocketAddress { connect(descriptor.rawValue, $0, $1) }
        guard result == 0 || errno == EINPROGRESS else { return nil }
        super.init()
        guard service.loop.register(self, descriptor: descriptor.rawValue, interest: .write) else { return nil }
        service.loop.schedule(self, at: MonotonicClock.now() + timeout)
    }

    /// Queues a query. Returns the identifier for `forget`, or `nil` if the connection is closed or has too many
    /// queries.
    func ask(_ query: Query, for exchange: Exchange, server: Int) -> UInt16? {
        guard descriptor.isOpen, requests.count < Int(UInt16.max) / 2 else { return nil }
        var identifier = service.identifiers.next()
        while requests[identifier] != nil { identifier = service.identifiers.next() }
        if requests.isEmpty { service.loop.schedule(self, at: MonotonicClock.now() + timeout) }
        requests[identifier] = Request(exchange: exchange, server: server)
        outgoing.append(query.withIdentifier(identifier))
        // The loop writes the query later, even if there is room now: a failure must not re-enter the caller.
        service.loop.setInterest([.read, .write], of: self)
        return identifier
    }

    /// Forgets a query: its answer is discarded when it arrives.
    func forget(_ identifier: UInt16) {
        requests[identifier] = nil
    }

    override func ready(_ events: EventLoop.Events) {
        if isConnecting {
            guard descriptor.takeError() == 0 else { return fail() }
            isConnecting = false
        }
        guard outgoing.flush(to: descriptor) != .broken else { return fail() }
        receive()
        guard descriptor.isOpen else { return }
        service.loop.setInterest(outgoing.waiting > 0 ? [.read, .write] : .read, of: self)
    }

    /// The server has not responded in time, or the connection was idle.
    override func deadlinePassed(now: UInt64) {
        // `fail` must not send the requests again: a new connection to a server that does not respond would not help.
        hasAnswered = false
        fail()
    }

    /// Closes the connection without notice to waiting queries.
    func close() {
        guard descriptor.isOpen else { return }
        service.loop.removeForClosing(self)
        descriptor.close()
        requests = [:]
        owner.remove(self)
        service.upstreamStreamClosed(self)
    }

    /// Closes the connection in favour of a guest with fewer connections. Waiting queries count this as a failure.
    func evict() {
        hasAnswered = false
        fail()
    }

    private func receive() {
        let scratch = service.scratch
        let count = recv(descriptor.rawValue, scratch.baseAddress, 64 << 10, Int32(MSG_DONTWAIT))
        if count < 0 {
            if errno != EAGAIN && errno != EINTR { fail() }
            return
        }
        guard count > 0 else { return fail() }
        incoming.append(UnsafeRawBufferPointer(rebasing: scratch.prefix(count)))
        while descriptor.isOpen, let message = incoming.next() { take(message) }
    }

    private func take(_ message: [UInt8]) {
        guard let header = MessageHeader(message), let request = requests[header.identifier] else {
            service.count(\.mismatchedAnswers)
            return
        }
        hasAnswered = true
        request.exchange.received(message, server: request.server, identifier: header.identifier)
        guard descriptor.isOpen else { return }
        let wait = requests.isEmpty ? service.limits.upstreamStreamIdle.nanoseconds : timeout
        service.loop.schedule(self, at: MonotonicClock.now() + wait)
    }

    private func fail() {
        let victims = requests.values
        close()
        for request in victims {
            if hasAnswered {
                request.exchange.lostStream(server: request.server)
            } else {
                request.exchange.failed(server: request.server)
            }
        }
    }
}
