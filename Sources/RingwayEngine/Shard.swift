internal import CRingway
internal import Glibc
internal import RingwayHost
internal import RingwayLinks
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// One thread with everything it needs: ring, buffers, stack, sockets, one queue of the link. It shares nothing with
/// other shards but the mailboxes between them.
///
/// ## A turn
///
/// 1. Buffer rings are refilled, and everything prepared so far goes to the kernel in one system call, which also waits.
/// 2. Every completion is handed to the stack or the socket tables. What the stack wants done (`Effect`) becomes new
///    submissions at once.
/// 3. Mail from other shards, then timers, then the acknowledgements that the turn owes.
struct Shard: ~Copyable {
    /// Buffers in each of the two buffer rings: few, so that they stay in the second-level cache, and at the most.
    static var ringBuffers: Int { 32 }
    static var ringBufferLimit: Int { 512 }
    /// Large buffers that host sockets leave for frames from the guest, so that acknowledgements always get in.
    static var linkReserve: Int { 24 }
    static var linkGroup: UInt16 { 0 }
    static var hostGroup: UInt16 { 1 }

    /// Nanoseconds before a send is tried again for which the kernel had no memory.
    static var sendPause: UInt64 { 2_000_000 }

    /// Octets moved in one turn from which on the processor is better left to others than kept in wait for more.
    static var bulkTurn: Int { 8_192 }

    let index: Int
    let shared: EngineShared
    let counters: Counters
    var reactor: Reactor
    let pool: UnsafeMutablePointer<BufferPool>
    let space: BufferSpace
    var stack: Stack
    var queue: Queue
    /// Where frames come from and go to when the link is a socket; a stream alone has arrivals. Given back by whoever ends
    /// the shard, after the ring that knows their memory.
    let arrivals: UnsafeMutablePointer<FrameCutter>?
    let departures: UnsafeMutablePointer<OutgoingFrames>?
    var isLinkReceiving = false
    var isLinkSending = false
    var isLinkLost = false
    /// Frames to the guest wait, and what comes from host sockets would only wait too.
    var isLinkCongested = false
    var hostBuffers: LeaseRing

    var streams: Slab<StreamSocket>
    var messages: Slab<SendMessage>
    var datagrams: SlotTable<DatagramSocket>
    var pings: SlotTable<DatagramSocket>
    var rawEchoes = RawEchoes()
    var forwards: Slab<Forward>
    /// Listeners that the kernel has not given back yet, and who waits for that.
    var endingForwards = 0
    var awaitedEnds: [ShardReply] = []
    /// Streams whose receive found no buffer, or must wait for the link, as a chain; the one that waits longest is first.
    var starvedStreams: UInt32 = .max
    var lastStarvedStream: UInt32 = .max
    /// Streams whose send the kernel had no memory for, as a chain; tried again after a pause.
    var deferredStreams: UInt32 = .max
    /// What every multishot `recvmsg` points to: how much room for name and control.
    let receiveTemplate: UnsafeMutablePointer<msghdr>
    /// The shard's end of the pair to the name service, or -1.
    var nameService: Int32 = -1
    var isNameServiceReceiving = false
    var spliced: Slab<SplicedStream>
    /// Spliced streams that have no answer from inside the guest yet, the oldest first; and those that
    /// have something to move.
    var openingStreams: SplicedList
    var runningStreams: SplicedList
    var detours: SpliceDetours
    var pipes = PipePool()
    var sockets: SocketSupply
    /// Descriptors of pipes and of ready sockets that are counted.
    private var countedSpares = 0
    /// Where the search for an idle spliced stream goes on.
    private var splicedHand = IdleHand()
    var isStopping = false
    /// Some datagram socket's receive found no buffer.
    var hasStarvedDatagrams = false
    /// The message to the host that more datagrams may join, and the train toward the guest that is being gathered.
    var departing = DepartingTrain()
    /// Whether the guest has shown an IPv6 address of the network, as far as this shard knows.
    var knowsIPv6 = false
    /// Tells clients of published UDP ports that nothing listens.
    var refusals = RefusalSocket()
    var arriving = ArrivingTrain()
    /// The shard's part of the process's processor time.
    var turnShare: TurnShare
    /// Octets that the guest has sent and the sockets of its streams have received in this turn.
    var octetsThisTurn = 0
    /// Whether the guest may have neighbours; what else is known of them.
    let isSwitched: Bool
    var capture: FrameCapture
    var port: SwitchPort
    var inbox: NeighborInbox
    /// Closed to turn a client away when no descriptor is left.
    var spareDescriptor: Int32
    /// Whether listeners wait for a descriptor to accept with.
    var hasDeferredListeners = false

    init(
        index: Int, shared: EngineShared, queue descriptor: Int32, framing: Link.Framing,
        pool: UnsafeMutablePointer<BufferPool>, counters: Counters
    ) throws(RingError) {
        // What may fail comes before any stored property is set.
        var ring = try Ring(entries: 1_024, completions: 8_192, features: shared.features)
        let queue = try Queue(
            descriptor, &ring, framing, buffers: Self.ringBuffers, group: Self.linkGroup,
            isMultishot: shared.features.hasMultishotRead && shared.configuration.usesMultishotRead)
        let hostBuffers = try LeaseRing(
            &ring, capacity: Self.ringBufferLimit, least: Self.ringBuffers, group: Self.hostGroup,
            headroom: Stack.headroom,
            reserve: Self.linkReserve)
        let inbox = try NeighborInbox(
            index == 0 ? shared.inbox : -1, &ring, headroom: Stack.headroom, reserve: Self.linkReserve)
        let reactor = try Reactor(
            ring: ring, doorbell: shared.network.doorbell(of: index),
            busyPoll: BusyPoll(limit: shared.configuration.busyPoll))
        let configuration = shared.configuration
        var stackConfiguration = configuration.stack
        stackConfiguration.shard = index
        let limits = configuration.stack.limits
        let now = reactor.now
        let stack = try RingError.orMemory { () throws(MemoryFailure) -> Stack in
            try Stack(stackConfiguration, pool: pool, counters: counters, now: Reactor.clock())
        }
        let streams = try Self.slab(of: StreamSocket.self, max(64, limits.flowsPerGuest) + 1_024)
        let messages = try Self.slab(of: SendMessage.self, 1_024)
        let forwards = try Self.slab(of: Forward.self, 65_536)
        let spliced = try Self.slab(of: SplicedStream.self, max(1, limits.splicedConnectionsPerShard))
        let datagrams = try Self.sockets(max(16, limits.udpMappings))
        let pings = try Self.sockets(max(1, limits.pingMappings))
        let detours = try RingError.orMemory { () throws(MemoryFailure) -> SpliceDetours in try SpliceDetours() }
        let link = try RingError.orMemory { () throws(MemoryFailure) -> ShardLinkMemory in
            try ShardLinkMemory(framing, pool: pool, counters: counters) { () throws(MemoryFailure) -> SwitchPort in
                try SwitchPort(configuration, now: now)
            }
        }
        self.stack = stack
        self.streams = streams
        self.messages = messages
        self.forwards = forwards
        self.datagrams = datagrams
        self.pings = pings
        self.detours = detours
        arrivals = link.arrivals
        departures = link.departures
        receiveTemplate = link.receiveTemplate
        port = link.port
        self.queue = queue
        self.hostBuffers = hostBuffers
        self.reactor = reactor
        self.index = index
        self.shared = shared
        self.counters = counters
        self.pool = pool
        space = pool.pointee.space
        let guestSockets = configuration.guestSockets
        sockets = SocketSupply(line: guestSockets.isEmpty ? -1 : guestSockets[index])
        openingStreams = SplicedList(.opening, of: spliced.base)
        runningStreams = SplicedList(.running, of: spliced.base)
        self.spliced = spliced
        isSwitched = shared.configuration.claims != nil
        capture = FrameCapture(configuration.capture)
        self.inbox = inbox
        turnShare = TurnShare(.ofProcess, guest: shared.turnMember)
        spareDescriptor = Self.openSpare()
        receiveTemplate.pointee.msg_namelen = Self.nameRoom
        receiveTemplate.pointee.msg_controllen = Self.controlRoom
    }

    private static func slab<Element: BitwiseCopyable>(
        of type: Element.Type, _ capacity: Int
    ) throws(RingError) -> Slab<Element> {
        try RingError.orMemory { () throws(MemoryFailure) -> Slab<Element> in try Slab(capacity: capacity) }
    }

    private static func sockets(_ capacity: Int) throws(RingError) -> SlotTable<DatagramSocket> {
        try RingError.orMemory { () throws(MemoryFailure) -> SlotTable<DatagramSocket> in
            try SlotTable(capacity: capacity)
        }
    }

    deinit {
        receiveTemplate.deallocate()
        port.deallocate()
        if spareDescriptor >= 0 { close(spareDescriptor) }
    }

    /// The thread's whole life.
    mutating func run() {
        // Nobody is to wait for a shard that has ended, for whatever reason.
        let commands = shared.commands[index]
        defer { commands.close() }
        do throws(RingError) {
            try reactor.ring.enable()
        } catch {
            shared.report(.ringFailed(errno: error.errno))
            return closeDescriptors()
        }
        reactor.listen(Operation.bell.tag())
        openNameService()
        while !isStopping {
            turn()
            let pause = turnShare.pause(turnStart: reactor.now, clock: Reactor.clock, used: reactor.usage)
            if pause > 0 {
                counters.add(.turnsDelayed)
                ringway_pause_thread(pause)
            }
        }
        shutDown()
    }

    private mutating func turn() {
        refill()
        flushStrays()
        counters.set(.buffersLeased, pool.pointee.leased)
        let network = shared.network
        let count = network.count
        let index = index
        var deadline = stack.nextDeadline
        if deferredStreams != .max || hasDeferredListeners {
            deadline = min(deadline ?? .max, reactor.now + Self.sendPause)
        }
        if let due = inbox.deadline { deadline = min(deadline ?? .max, due) }
        if let due = splicedDeadline { deadline = min(deadline ?? .max, due) }
        let error = reactor.wait(until: deadline) {
            if count == 1 { return false }
            for sender in 0..<count where !network.mailbox(to: index, from: sender).isEmpty { return true }
            return false
        }
        counters.add(.turns)
        if error != 0 {
            shared.report(.ringFailed(errno: error))
            isStopping = true
            return
        }
        if octetsThisTurn > Self.bulkTurn { reactor.busyPoll.discourage() }
        octetsThisTurn = 0
        stack.beginTurn(now: reactor.now)
        if deferredStreams != .max { retryDeferredStreams() }
        retryDeferredListeners()
        // Bounded, so that timers and mail get their turn under any load.
        var budget = 512
        while budget > 0, let completion = reactor.ring.nextCompletion() {
            handle(completion)
            budget -= 1
        }
        endGathering()
        runSplicedStreams()
        countSpares()
        readMail()
        while stack.runTimers() { perform() }
        while stack.finishTurn() { perform() }
        perform()
        if isSwitched, inbox.wantsBuffers { feedInbox() }
        if let departures { sendGathered(departures) }
    }

    @inline(__always)
    private mutating func handle(_ completion: Completion) {
        switch Operation(rawValue: completion.tag.kind) {
        case .linkRead: linkRead(completion)
        case .linkWrite: linkWritten(completion)
        case .linkReceive: linkReceived(completion)
        case .linkSend: linkSent(completion)
        case .linkDatagramRead: linkDatagramRead(completion)
        case .linkWritable: linkWritable(completion)
        case .receive: received(completion)
        case .send: sent(completion)
        case .connect: connected(completion)
        case .watch: watched(completion)
        case .accept: accepted(completion)
        case .datagramReceive: datagramReceived(completion)
        case .datagramSend: datagramSent(completion)
        case .pingReceive: pingReceived(completion)
        case .pingSend: pingSent(completion)
        case .rawEchoReceive: rawEchoReceived(completion)
        case .forwardedReceive: forwardedReceived(completion)
        case .queryReceive: queryAnswered(completion)
        case .querySend: querySent(completion)
        case .splicedEvent: splicedEvent(completion)
        case .splicedConnect: splicedConnected(completion)
        case .socketSupply: socketsArrived()
        case .neighborSend: neighborSent(completion)
        case .neighborReceive: neighborReceived(completion)
        case .bell:
            reactor.listen(Operation.bell.tag())
            runCommands()
        case .mail: counters.add(.wakes)
        case .ignored, nil: break
        }
    }

    /// Carries out what the stack wants done, until it wants nothing more.
    mutating func perform() {
        while let effect = stack.effects.popFirst() {
            switch effect.kind {
            case .writeFrame: writeFrame(effect)
            case .sendStream: sendStream(effect)
            case .receiveStream: receiveStream(effect)
            case .classifyStream: classifyStream(effect)
            case .inspectStream: inspectStream(effect)
            case .watchStream: watchStream(effect)
            case .connectStream: connectStream(effect)
            case .connectService: connectService(effect)
            case .shutdownStream: shutdownStream(effect)
            case .closeStream: closeStream(effect, reset: false)
            case .resetStream: closeStream(effect, reset: true)
            case .sendDatagram: sendDatagram(effect)
            case .sendForwardedDatagram: sendForwardedDatagram(effect)
            case .refuseDatagram: refuseDatagram(effect)
            case .closeDatagram: closeDatagram(effect)
            case .sendEcho: sendEcho(effect)
            case .closeEcho: closeEcho(effect)
            case .query: sendQuery(effect)
            case .replaceAddress: replaceAddress()
            case .reenterFrame: takeFrame(effect.lease, length: Int(effect.length), isReassembled: true)
            case .guestShown: guestShown(effect.address.address)
            case .guestSilent: guestSilent(effect)
            }
        }
    }

    // MARK: Descriptors

    /// Counts the descriptors of a new flow. Where the guest has its share, a flow of its own that nothing has answered
    /// ends for the new one.
    ///
    /// - Parameter mapping: the UDP mapping that asks, or `nil`.
    mutating func admit(_ count: Int = 1, sparing mapping: Handle? = nil) -> DescriptorShare.Grant {
        let grant = shared.descriptors.acquire(count)
        guard grant == .beyondShare, shared.descriptors.mayReplace(count), stack.endUnanswered(sparing: mapping)
        else { return grant }
        shared.descriptors.take(count)
        return .granted
    }

    /// Ends idle flows of the guest for others that are below their share, some at a time.
    mutating func giveBack() {
        let descriptors = shared.descriptors
        var budget = ShardCommand.sockets
        while budget > 0, descriptors.takeDebt() {
            guard endIdlest() else { return descriptors.leaveDebt() }
            budget -= 1
        }
        if descriptors.isInDebt { shared.commands[index].append(.giveBack) }
    }

    private mutating func endIdlest() -> Bool {
        if pipes.closeIdle() || sockets.closeStock() {
            countSpares()
            return true
        }
        let flow = stack.idlestFlow()
        let stream = splicedHand.idlest(of: spliced) { $0.pointee.phase == .moving ? $0.pointee.usedAt : nil }
        if let stream, stream.usedAt < flow?.usedAt ?? .max {
            counters.add(.flowsGivenBack)
            closeSpliced(stream.slot, reset: true)
            return true
        }
        guard let flow else { return false }
        stack.end(flow)
        perform()
        return true
    }

    /// Counts what is kept ready, which is made and closed in many places.
    mutating func countSpares() {
        let change = pipes.descriptors + sockets.stock - countedSpares
        guard change != 0 else { return }
        countedSpares += change
        if change > 0 { shared.descriptors.take(change) } else { shared.descriptors.release(-change) }
    }

    /// Puts buffers where the kernel looks for them, and asks again for what had found none.
    private mutating func refill() {
        if let arrivals {
            if !isLinkReceiving, !isLinkLost { takeArrivals(arrivals) }
        } else {
            queue.refill(&reactor.ring, from: pool, linkReadTag)
        }
        guard !isLinkCongested else { return }
        hostBuffers.refill(from: pool)
        if starvedStreams != .max, hostBuffers.available > 0 { retryStarvedStreams() }
        retryStarvedDatagrams()
    }

    /// The tag of reads that each bring one frame.
    @inline(__always)
    var linkReadTag: OperationTag {
        mutating get { (departures == nil ? Operation.linkRead : .linkDatagramRead).tag() }
    }
}
