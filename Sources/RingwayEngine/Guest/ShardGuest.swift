internal import RingwayLinks
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem

/// A guest on one shard, from when the shard admits it until it has let go of it. A guest whose link has several queues has
/// a part like this for each.
///
///     admitted ──► serving ──► ending ──► gone
///
/// An admitted guest is not served yet, because other shards may not have their part of it. While it is served, the shard
/// calls the operations of the turn below, and `GuestDataPath` does what they ask. A guest that ends is closed some sockets
/// at a time (`GuestEnding`).
struct ShardGuest: ~Copyable {
    private var dataPath: GuestDataPath
    private var ending = GuestEnding()

    /// A guest on the thread of the control plane, which has the time to lay tables out.
    init(_ dataPath: consuming GuestDataPath) { self.dataPath = dataPath }

    var counters: Counters {
        mutating get { dataPath.stack.counters }
    }

    // MARK: Coming and going

    /// The first call on the shard's thread.
    mutating func register(_ core: inout ShardCore) throws(SystemError) { try dataPath.link.register(&core) }

    /// Gives back what the ring and the pool know of the guest, when no operation of it is in flight any more.
    mutating func unregister(_ core: inout ShardCore) { dataPath.link.unregister(&core) }

    /// So many guests share the shard.
    mutating func setShare(of guests: Int) { dataPath.stack.setShare(of: guests) }

    /// Carries out commands of the control plane, some at a time: many ports at once must not keep frames waiting.
    mutating func runCommands(_ core: inout ShardCore) {
        let queue = dataPath.commands
        var budget = ShardCommand.sockets
        while budget > 0, !ending.hasBegun, let command = queue.take() {
            budget -= command.cost
            switch command {
            case .start: if !dataPath.isOpen { dataPath.open(&core) }
            case .giveBack: dataPath.giveBack(&core)
            case .stop(let removal): ending.begin(removal, &dataPath, &core)
            default: dataPath.run(.command(command), &core)
            }
        }
        // Those for a guest that is ending are abandoned when it has gone.
        if !ending.hasBegun, !queue.isEmpty { dataPath.shared.call(dataPath.part) }
    }

    var isEnding: Bool {
        mutating get { ending.hasBegun }
    }

    /// Whether nothing of the guest is to come any more but completions.
    ///
    /// - Parameter isDrained: all mail has been read that was there in this turn.
    mutating func hasEnded(isDrained: Bool) -> Bool {
        ending.hasEnded(isDrained: isDrained, areAllEnding: dataPath.shared.areAllEnding)
    }

    /// What is left of the guest for its engine.
    var remains: GuestRemains {
        GuestRemains(
            shared: dataPath.shared, part: dataPath.part, place: dataPath.shared.place(of: dataPath.part),
            removal: ending.removal)
    }

    /// The shard's ring has failed: everything is closed at once.
    mutating func fail(errno: Int32, _ core: inout ShardCore) {
        dataPath.shared.report(.ringFailed(errno: errno))
        ending.closeAll(of: &dataPath, &core)
    }

    // MARK: The turn

    /// Puts buffers where the kernel looks for frames of the guest, and takes those that a stream has brought already.
    mutating func refillLink(_ core: inout ShardCore) {
        guard dataPath.isOpen else { return }
        dataPath.link.refill(&core)
        dataPath.run(.frames, &core)
    }

    /// Whether frames to the guest wait.
    var isCongested: Bool {
        mutating get { dataPath.link.isCongested }
    }

    /// Repeats what had found no buffer; receives of TCP as many as `most`.
    mutating func refillSockets(upTo most: Int, _ core: inout ShardCore) {
        if dataPath.isOpen { dataPath.retryStarved(upTo: most, &core) }
    }

    /// Whether the guest has a part in the next turn whatever happens in it: it waits for buffers, or is ending.
    var isWaiting: Bool {
        mutating get {
            ending.hasBegun || dataPath.isOpen && dataPath.isWaiting
        }
    }

    /// When there is something to do though nothing completes, in monotonic nanoseconds; `nil` for never.
    mutating func deadline(_ core: inout ShardCore) -> UInt64? {
        dataPath.isOpen ? dataPath.deadline(&core) : ending.deadline(now: core.now)
    }

    /// The guest has a part in a turn.
    mutating func beginTurn(_ core: inout ShardCore) {
        counters.add(.turns)
        dataPath.stack.beginTurn(now: core.now)
        guard dataPath.isOpen else { return }
        if dataPath.tcp.hasDeferredSends { dataPath.run(.deferredSends, &core) }
        dataPath.ports.retryDeferred(&core)
    }

    /// Handles a completion of an operation of the guest's.
    @inline(__always)
    mutating func complete(_ completion: Completion, _ core: inout ShardCore) {
        dataPath.run(.completion(completion), &core)
        guard dataPath.isOpen else { return }
        switch completion.tag.owner {
        case .link: dataPath.run(.frames, &core)
        case .relays: dataPath.run(.returnedClients, &core)
        default: break
        }
    }

    /// The turn's completions have been handled.
    mutating func endCompletions(_ core: inout ShardCore) {
        guard dataPath.isOpen else { return }
        dataPath.run(.gatheredDatagrams, &core)
        dataPath.run(.relays, &core)
        dataPath.run(.returnedClients, &core)
        dataPath.relays.countSpares()
    }

    /// Handles what another guest, or this one's part on another queue, has posted.
    mutating func receive(_ message: ShardMessage, _ core: inout ShardCore) {
        core.countWake()
        guard !ending.hasBegun else { return dataPath.discard(message, &core) }
        // Whoever posts it knows that all shards have their part of the guest: the command to start is on its way.
        if !dataPath.isOpen { dataPath.open(&core) }
        dataPath.run(.message(message), &core)
    }

    /// Runs timers, sends what the turn owes, and then what neighbours have sent.
    mutating func endTurn(_ core: inout ShardCore) {
        guard !ending.hasBegun else { return ending.goOn(&dataPath, &core) }
        guard dataPath.isOpen else { return }
        dataPath.run(.timers, &core)
        dataPath.run(.acknowledgements, &core)
        if dataPath.neighbors.hasFrames { dataPath.takeNeighborFrames(&core) }
        dataPath.link.flush(&core)
        counters.set(.buffersLeased, core.pool.pointee.held(by: core.tenant))
    }

    // MARK: For simulations

    /// Buffers that wait for frames of the link.
    var linkBuffers: Int {
        mutating get { dataPath.link.buffers }
    }

    /// What the guest has on this shard, but for what the shard counts of it.
    mutating func holdings() -> ShardHoldings {
        var holdings = ShardHoldings()
        holdings.connections = dataPath.stack.connectionCount
        holdings.flows = dataPath.stack.flowCount
        holdings.timers = dataPath.stack.scheduledTimerCount
        holdings.reservedBytes = dataPath.stack.reservedBytes
        holdings.streamSockets = dataPath.tcp.count
        holdings.datagramSockets = dataPath.udp.count
        holdings.pingSockets = dataPath.ping.count
        holdings.relays = dataPath.relays.count
        holdings.listeners = dataPath.ports.count
        return holdings
    }
}
