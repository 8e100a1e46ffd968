internal import Glibc
internal import RingwaySystem

/// DNS over TCP on one client's connection (RFC 7766). Queries are pipelined, and answered in the order in which
/// answers arrive.
final class StreamClient: Client {
    private var incoming = FrameAssembler()
    private var outgoing = FrameQueue()
    private var hasFinished = false
    private var isProcessing = false

    /// The time of the last traffic in either direction.
    private(set) var lastActivity = MonotonicClock.now()

    /// Whether the connection could be closed without losing an answer.
    var isIdle: Bool { exchanges.isEmpty && outgoing.waiting == 0 }

    private let guestHasIPv6: Bool
    /// The connection's share of the limit on all guests' connections.
    var place: GuestShares<StreamClient>.Ticket?

    init(adopting descriptor: Int32, guest: UInt32, hasIPv6: Bool, service: Service) {
        guestHasIPv6 = hasIPv6
        super.init(adopting: descriptor, guest: guest, service: service)
        // Fails harmlessly on a socket that is not TCP.
        self.descriptor.setOption(level: Int32(IPPROTO_TCP), name: TCP_NODELAY, value: 1)
        scheduleIdleCheck()
    }

    override var takesDatagrams: Bool { false }
    override func hasIPv6(_ tag: ClientTag) -> Bool { guestHasIPv6 }

    override func ready(_ events: EventLoop.Events) {
        // Regardless of the interest, epoll reports in every turn a connection that has failed or is closed in both
        // directions. If the connection would not be read now, it is closed here, because otherwise these events
        // would not end.
        if events.isBroken, hasFinished || !mayRead { return close() }
        flush()
        guard isOpen else { return }
        receive()
        settle()
    }

    override func send(_ answer: [UInt8], tag: ClientTag) {
        outgoing.append(answer)
        flush()
        guard isOpen else { return }
        if outgoing.waiting > service.limits.unreadBytesPerStream {
            service.count(\.streamsOverflowed)
            return close()
        }
        settle()
    }

    override func exchangeEnded() {
        settle()
    }

    override func deadlinePassed(now: UInt64) {
        let due = lastActivity + service.limits.clientStreamIdle.nanoseconds
        if now < due || !exchanges.isEmpty { return scheduleIdleCheck() }
        service.count(\.streamsIdle)
        close()
    }

    private var mayRead: Bool {
        exchanges.count < service.limits.queriesPerStream
            && outgoing.waiting <= service.limits.unreadBytesPerStream / 8
    }

    private func scheduleIdleCheck() {
        let idle = service.limits.clientStreamIdle.nanoseconds
        let now = MonotonicClock.now()
        service.loop.schedule(self, at: max(lastActivity + idle, now + min(idle, 1_000_000_000)))
    }

    private func receive() {
        guard !hasFinished, mayRead else { return }
        let scratch = service.scratch
        let count = recv(descriptor.rawValue, scratch.baseAddress, 16 << 10, Int32(MSG_DONTWAIT))
        if count < 0 {
            if errno != EAGAIN && errno != EINTR { close() }
            return
        }
        if count == 0 {
            hasFinished = true
        } else {
            lastActivity = MonotonicClock.now()
            incoming.append(UnsafeRawBufferPointer(rebasing: scratch.prefix(count)))
        }
        process()
    }

    /// Processes complete queries. An answer that is ready at once calls `send`, and so `settle`, from here;
    /// `isProcessing` makes that `settle` do nothing.
    private func process() {
        guard !isProcessing else { return }
        isProcessing = true
        defer { isProcessing = false }
        while isOpen, mayRead, let message = incoming.next() {
            guard service.accept(message, from: self, tag: ClientTag()) else { return close() }
        }
    }

    private func flush() {
        guard outgoing.waiting > 0 else { return }
        switch outgoing.flush(to: descriptor) {
        case .sent(let count):
            if count > 0 { lastActivity = MonotonicClock.now() }
        case .broken:
            close()
        }
    }

    /// Processes queries that were read but had to wait, and sets the loop's interest. If the client has shut down
    /// its direction and has all answers, closes the connection.
    private func settle() {
        guard isOpen, !isProcessing else { return }
        process()
        guard isOpen else { return }
        if hasFinished, isIdle { return close() }
        var interest: EventLoop.Interest = []
        if !hasFinished, mayRead { interest.insert(.read) }
        if outgoing.waiting > 0 { interest.insert(.write) }
        service.loop.setInterest(interest, of: self)
    }
}
