internal import RingwayLinks
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem

/// A guest's part on one shard, from admission to removal. A guest has one such part for each queue of its link.
///
///     admitted ──► serving ──► ending ──► gone
///
/// An admitted guest is not served, because other shards may not have added their parts yet. While a guest is served,
/// the shard calls the methods under "The turn" below, which `GuestDataPath` carries out. The sockets of an ending
/// guest are closed over several turns (`GuestEnding`).
struct ShardGuest: ~Copyable {
    private var dataPath: GuestDataPath
    private var ending = GuestEnding()

    /// Creates the guest from its data path. Both are created on the control plane's thread, because allocating the
    /// data path takes long.
    init(_ dataPath: consuming GuestDataPath) { self.dataPath = dataPath }

    var counters: Counters {
        mutating get { dataPath.stack.counters }
    }

    // MARK: Admission and removal

    /// Registers the buffers of the guest's link with the ring. Called when the guest is added to the shard.
    mutating func register(_ core: inout ShardCore) throws(SystemError) { try dataPath.link.register(&core) }

    /// Unregisters the buffers of the guest's link from the ring and releases them. No operation of the guest may be in
    /// flight.
    mutating func unregister(_ core: inout ShardCore) { dataPath.link.unregister(&core) }

    /// Sets the number of guests that share the shard's buffers, which limits the guest's receive windows.
    mutating func setShare(of guests: Int) { dataPath.stack.setShare(of: guests) }

    /// Carries out queued commands of the control plane, up to a budget per turn (`ShardCommand.sockets`), so that
    /// opening many ports does not delay frames.
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
        // The remaining commands wait for the next turn. Those of an ending guest are abandoned at its removal instead.
        if !ending.hasBegun, !queue.isEmpty { dataPath.shared.call(dataPath.part) }
    }

    var isEnding: Bool {
        mutating get { ending.hasBegun }
    }

    /// Whether everything is closed and all mail has been read, so that only completions of the guest can follow.
    ///
    /// - Parameter isDrained: whether all mail that had arrived in this turn has been read.
    mutating func hasEnded(isDrained: Bool) -> Bool {
        ending.hasEnded(isDrained: isDrained, areAllEnding: dataPath.shared.areAllEnding)
    }

    /// The information needed to notify the guest's engine after the removal.
    var endedGuest: EndedGuest {
        EndedGuest(
            shared: dataPath.shared, part: dataPath.part, place: dataPath.shared.place(of: dataPath.part),
            removal: ending.removal)
    }

    /// The shard's ring has failed: closes everything immediately.
    mutating func fail(errno: Int32, _ core: inout ShardCore) {
        dataPath.shared.report(.ringFailed(errno: errno))
        ending.closeAll(of: &dataPath, &core)
    }

    // MARK: The turn

    /// Refills the link's buffer ring, and handles frames in data that a stream link has already received.
    mutating func refillLink(_ core: inout ShardCore) {
        guard dataPath.isOpen else { return }
        dataPath.link.refill(&core)
        dataPath.run(.frames, &core)
    }

    /// Backpressure: whether so many frames wait for the link that host sockets are not read.
    var isCongested: Bool {
        mutating get { dataPath.link.isCongested }
    }

    /// Retries receives that found no buffer: at most `most` on TCP, UDP and ping sockets together, and at most
    /// `most` on published UDP ports.
    mutating func refillSockets(upTo most: Int, _ core: inout ShardCore) {
        if dataPath.isOpen { dataPath.retryStarved(upTo: most, &core) }
    }

    /// Whether the guest must be served in the next turn even without an event: it waits for buffers, its link has
    /// unread frames, or it is ending.
    var isWaiting: Bool {
        mutating get {
            ending.hasBegun || dataPath.isOpen && dataPath.isWaiting
        }
    }

    /// The next time at which there is work even if nothing completes, in monotonic nanoseconds; `nil` for never.
    mutating func deadline(_ core: inout ShardCore) -> UInt64? {
        dataPath.isOpen ? dataPath.deadline(&core) : ending.deadline(now: core.now)
    }

    /// Called when the guest is first served in a turn.
    mutating func beginTurn(_ core: inout ShardCore) {
        counters.add(.turns)
        dataPath.stack.beginTurn(now: core.now)
        guard dataPath.isOpen else { return }
        if dataPath.tcp.hasDeferredSends { dataPath.run(.deferredSends, &core) }
        dataPath.ports.retryDeferred(&core)
    }

    /// Handles a completion of the guest's operation.
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

    /// Called when all completions of the turn have been handled.
    mutating func endCompletions(_ core: inout ShardCore) {
        guard dataPath.isOpen else { return }
        dataPath.run(.gatheredDatagrams, &core)
        dataPath.run(.relays, &core)
        dataPath.run(.returnedClients, &core)
        dataPath.relays.countSpares()
    }

    /// Handles a message from another guest, or from another part of this one.
    mutating func receive(_ message: ShardMessage, _ core: inout ShardCore) {
        core.countWake()
        guard !ending.hasBegun else { return dataPath.discard(message, &core) }
        // The message may arrive before this part's `start` command. It comes from a started part of the guest, or
        // from a neighbour that knows the guest. Both exist only after all shards have added their parts, so this
        // part may start now.
        if !dataPath.isOpen { dataPath.open(&core) }
        dataPath.run(.message(message), &core)
    }

    /// Runs timers, sends the acknowledgements that are due, then sends neighbours' frames. If the guest is ending,
    /// closes more of its sockets and flows instead.
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

    /// The number of buffers that the kernel may fill with frames of the link.
    var linkBuffers: Int {
        mutating get { dataPath.link.buffers }
    }

    /// The guest's flows, sockets and listeners on this shard. `Shard.holdings(of:)` adds buffers and operations.
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
