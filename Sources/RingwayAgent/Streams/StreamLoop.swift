internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import RingwaySplice

/// What the stream thread does: conversations are opened ahead of time, dialled on the host's request, and their octets
/// moved as the kernel tells that there are any.
final class StreamLoop {
    private static var ordersTag: UInt64 { .max }
    static var listenerTag: UInt64 { .max - 1 }
    private static var firstShareTag: UInt64 { .max - 1_000 }
    /// Streams at once; more are not opened.
    static var maximumStreams: Int { 16_384 }
    /// Nanoseconds between two looks at whether idle streams have gone; the host may close what it has too many of.
    private static var stockInterval: UInt64 { 500_000_000 }
    /// Milliseconds after which a server whose queue was full is tried again.
    private static var retryInterval: Int32 { 10 }

    let line: HostLine
    let hello: Hello
    /// Idle streams that are kept.
    let ready: Int
    let shares: [StreamThread.Share]
    private let wakeUp: WakeUp
    var queue: EventQueue
    var pipes = PipePool(limit: 2_048)
    var streams: [AgentStream?] = []
    private var freeSlots: [Int] = []
    private var generation: UInt32 = 0
    /// Streams with something to do.
    private var turn: [AgentStream] = []
    /// Streams whose server was too busy.
    var waiting: [AgentStream] = []
    var idleCount = 0
    /// Streams that are wanted and could not be opened yet.
    var missing = 0
    /// Programs of the guest's that want a socket of the host's, and have no conversation yet.
    var clients: [(descriptor: Int32, name: String)] = []
    private var nextStock: UInt64 = 0
    /// Whether we wait for the host to connect.
    var isListening = false

    init(
        _ line: HostLine, hello: Hello, ready: Int, shares: [StreamThread.Share], wakeUp: WakeUp
    ) throws(AgentFailure) {
        self.line = line
        self.hello = hello
        self.ready = ready
        self.shares = shares
        self.wakeUp = wakeUp
        queue = try EventQueue()
        _ = queue.addReadable(wakeUp.descriptor, tag: Self.ordersTag)
        for (index, share) in shares.enumerated() {
            _ = queue.addReadable(share.listener, tag: Self.firstShareTag + UInt64(index))
        }
        missing = ready
    }

    /// Runs until it is told to stop.
    func run(_ takeOrders: () -> StreamThread.Orders) {
        Self.ignoreBrokenPipes()
        var isStopping = false
        while !isStopping {
            restock()
            openMissing()
            var mustTakeOrders = false
            var events: [EventQueue.Event] = []
            queue.wait(milliseconds: patience) { event in
                if event.tag == Self.ordersTag { mustTakeOrders = true } else { events.append(event) }
            }
            for event in events { handle(event) }
            if mustTakeOrders {
                let orders = takeOrders()
                missing += orders.moreStreams
                isStopping = orders.isStopping
            }
            retryWaiting()
            runTurn()
        }
        for stream in streams { stream?.carrier.close(reset: true, &pipes) }
        for client in clients { close(client.descriptor) }
    }

    /// Milliseconds for which there is nothing to do unless something happens; negative for ever.
    private var patience: Int32 {
        if !turn.isEmpty { return 0 }
        if !waiting.isEmpty || !isListening && (missing > 0 || !clients.isEmpty) { return Self.retryInterval }
        return idleCount + missing < ready ? Int32(Self.stockInterval / 1_000_000) : -1
    }

    /// Makes up for idle streams that the host has closed. A host that closes each at once is not to be kept busy by it,
    /// hence now and then.
    private func restock() {
        guard idleCount + missing < ready else { return }
        let now = ringway_monotonic_nanoseconds()
        guard now >= nextStock else { return }
        nextStock = now + Self.stockInterval
        missing = ready - idleCount
    }

    /// A splice to a socket whose peer is gone raises the signal, and there is no flag against that.
    static func ignoreBrokenPipes() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    // MARK: Events

    private func handle(_ event: EventQueue.Event) {
        if event.tag == Self.listenerTag { return openAccepted() }
        if event.tag >= Self.firstShareTag { return acceptShared(Int(event.tag - Self.firstShareTag)) }
        let slot = Int(event.tag >> 1 & 0x7FFF_FFFF)
        guard slot < streams.count, let stream = streams[slot], stream.generation == UInt32(event.tag >> 32) else {
            return
        }
        stream.note(event, isLink: event.tag & 1 == 0)
        switch stream.phase {
        case .idle: hear(stream)
        case .connecting: connectGoesOn(stream)
        case .waiting: if isLinkGone(stream) { end(stream, reset: false) }
        case .moving: schedule(stream)
        case .datagrams(let carrier): carry(stream, carrier)
        }
    }

    func watchLink(_ stream: AgentStream) -> Bool {
        queue.add(stream.carrier.link.descriptor, tag: tag(stream, isLink: true))
    }

    func watchLocal(_ stream: AgentStream) -> Bool {
        queue.add(stream.carrier.local.descriptor, tag: tag(stream, isLink: false))
    }

    private func tag(_ stream: AgentStream, isLink: Bool) -> UInt64 {
        UInt64(stream.generation) << 32 | UInt64(stream.slot) << 1 | (isLink ? 0 : 1)
    }

    // MARK: Streams

    /// A place for a stream on a fresh conversation.
    func makeStream(link: Int32, client: Int32? = nil) -> AgentStream {
        generation &+= 1
        // The highest generations are kept apart from the tags that stand for no stream.
        if generation >= .max - 1 { generation = 1 }
        if let slot = freeSlots.popLast() {
            let stream = AgentStream(slot: slot, generation: generation, link: link, client: client)
            streams[slot] = stream
            return stream
        }
        let stream = AgentStream(slot: streams.count, generation: generation, link: link, client: client)
        streams.append(stream)
        return stream
    }

    var streamCount: Int { streams.count - freeSlots.count }

    /// Forgets a stream whose descriptors are closed.
    private func forget(_ stream: AgentStream) {
        streams[stream.slot] = nil
        freeSlots.append(stream.slot)
    }

    /// Whether it has not ended.
    func isPresent(_ stream: AgentStream) -> Bool { streams[stream.slot] === stream }

    /// Closes a stream and forgets it. One that has ended is left alone: its descriptors and its place are others' now.
    func end(_ stream: AgentStream, reset: Bool) {
        guard isPresent(stream) else { return }
        if case .idle = stream.phase, !stream.isFromGuest { idleCount -= 1 }
        if case .waiting = stream.phase { waiting.removeAll { $0 === stream } }
        stream.carrier.close(reset: reset, &pipes)
        forget(stream)
    }

    // MARK: Moving

    func schedule(_ stream: AgentStream) {
        guard !stream.isInTurn else { return }
        stream.isInTurn = true
        turn.append(stream)
    }

    private func runTurn() {
        let visited = turn
        turn.removeAll(keepingCapacity: true)
        for stream in visited {
            stream.isInTurn = false
            guard isPresent(stream) else { continue }
            if case .datagrams(let carrier) = stream.phase {
                carry(stream, carrier)
                continue
            }
            switch stream.carrier.visit(&pipes) {
            case .settled: break
            case .busy: schedule(stream)
            case .over: end(stream, reset: false)
            case .reset: end(stream, reset: true)
            }
        }
    }

    func carry(_ stream: AgentStream, _ carrier: DatagramCarrier) {
        switch carrier.turn(link: stream.carrier.link.descriptor, socket: stream.carrier.local.descriptor) {
        case .settled: break
        case .busy: schedule(stream)
        case .over, .failed: end(stream, reset: false)
        }
    }
}
