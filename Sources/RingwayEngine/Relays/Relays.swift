internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRelay
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// Connections that bypass the guest's link and TCP/IP stack: the shard relays bytes between two sockets with
/// splice(2), or copies them where that is not possible.
///
/// ## Theory of operation
///
/// The ring only polls the sockets; the shard calls splice(2) itself. io_uring would run a splice on a kernel thread,
/// which costs more than the splice. A non-blocking system call needs no thread. A stream with bytes to move is on
/// the `running` list; each visit moves a bounded number of bytes, then the next stream is visited.
///
/// There are two kinds of streams. A client that connects from the host's loopback to a published port is relayed to
/// a socket inside the guest (`Relays+Opening.swift`). If that socket cannot be connected, `nextReturned` returns the
/// client, and the caller connects it over the link. A connection through the guest's agent is relayed between a
/// socket on the host and a channel to the agent, on which bytes are framed as records (`StreamRecord`).
struct Relays: ~Copyable {
    enum Operation: UInt8, ShardOperation {
        /// An event of the near socket, which is on the host.
        case nearEvent
        /// An event of the far socket: the one inside the guest, or the channel to the agent.
        case farEvent
        /// The connect of a socket inside the guest has succeeded or failed.
        case connect
        /// The process in the guest has sent new sockets, or closed the channel (`SocketSupply`).
        case supply

        static var owner: OperationOwner { .relays }
    }

    /// The number of bytes after which `run` visits no more streams in a turn, so that the link's frames get their
    /// share.
    private static var turnBytes: Int { 4 << 20 }
    /// The fixed cost of a visit, in bytes: subtracted from `turnBytes` in addition to the bytes moved.
    private static var visitBytes: Int { 8_192 }

    let shared: EngineShared
    let counters: Counters
    var streams: Slab<SplicedStream>
    /// Streams that wait for a socket inside the guest or for its connect, in the order of their deadlines.
    var opening: SplicedList
    /// Streams that may have bytes to move.
    private var running: SplicedList
    /// Streams whose opening has failed, and whose clients `nextReturned` returns.
    var returning: SplicedList
    var detours: SpliceDetours
    var sockets: SocketSupply
    private var pipes = PipePool()
    /// The number of descriptors of pipes and ready sockets that `countSpares` has counted in the guest's share.
    private var countedSpares = 0
    /// Where the next search for an idle stream starts.
    private var hand = IdleHand()

    /// - Parameter index: the index of the guest's part, and of the link's queue that the part serves.
    init(index: Int, shared: EngineShared, counters: Counters) throws(MemoryFailure) {
        let streams = try Slab<SplicedStream>(
            capacity: max(1, shared.configuration.stack.limits.splicedConnectionsPerShard))
        detours = try SpliceDetours()
        self.shared = shared
        self.counters = counters
        opening = SplicedList(.opening, of: streams.base)
        running = SplicedList(.running, of: streams.base)
        returning = SplicedList(.returning, of: streams.base)
        self.streams = streams
        let lines = shared.configuration.guestSockets
        sockets = SocketSupply(line: lines.isEmpty ? -1 : lines[index])
    }

    var count: Int { streams.count }

    /// Handles a completion of one of the component's operations. If the opening of a stream fails, `nextReturned` then
    /// returns its client.
    mutating func complete(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        switch Operation(completion.tag) {
        case .nearEvent: happened(completion, .near, &core)
        case .farEvent: happened(completion, .far, &core)
        case .connect: connected(completion, &core)
        case .supply: socketsArrived(&core, &stack)
        case nil: break
        }
    }

    /// The next time at which streams need a turn, in monotonic nanoseconds; `nil` for never.
    func deadline(now: UInt64) -> UInt64? {
        if running.count > 0 { return now }
        return streams.pointer(inSlot: opening.first)?.pointee.deadline
    }

    // MARK: Events

    /// Polls both sockets of a stream.
    func watch(_ stream: UnsafeMutablePointer<SplicedStream>, _ handle: Handle, _ core: inout ShardCore) {
        watch(stream, .near, handle, &core)
        watch(stream, .far, handle, &core)
    }

    private func watch(
        _ stream: UnsafeMutablePointer<SplicedStream>, _ side: Relay.Side, _ handle: Handle, _ core: inout ShardCore
    ) {
        let end = side == .near ? stream.pointee.relay.near : stream.pointee.relay.far
        stream.pointee.watchedInRound = core.reactor.ring.round
        core.reactor.ring.pollMultishot(
            end.descriptor, UInt32(POLLIN) | UInt32(POLLOUT), Self.event(of: side).tag(handle))
    }

    private static func event(of side: Relay.Side) -> Operation { side == .near ? .nearEvent : .farEvent }

    private mutating func happened(_ completion: Completion, _ side: Relay.Side, _ core: inout ShardCore) {
        let handle = completion.tag.handle
        guard let stream = streams.pointer(to: handle) else { return }
        // A poll that has ended may have missed events, so the socket is treated as ready.
        let isWhole = completion.result > 0 && completion.hasMore
        let events = isWhole ? completion.result : Int32(POLLIN) | Int32(POLLOUT) | Int32(POLLERR)
        stream.pointee.relay.note(
            Relay.Readiness(
                isReadable: events & (Int32(POLLIN) | Int32(POLLHUP) | Int32(POLLERR)) != 0,
                isWritable: events & Int32(POLLOUT) != 0, hasError: events & Int32(POLLERR) != 0),
            of: side)
        if !completion.hasMore { watch(stream, side, handle, &core) }
        if stream.pointee.place == .none { running.append(handle.slot) }
    }

    // MARK: Moving

    /// Visits the streams that may have bytes to move, and abandons streams whose opening has timed out.
    mutating func run(_ core: inout ShardCore) {
        guard streams.count > 0 else { return }
        pipes.mayGrow = shared.descriptors.hasRoom
        expireOpening(&core)
        var visits = running.count
        var budget = Self.turnBytes
        while visits > 0, budget > 0 {
            visits -= 1
            let slot = running.first
            running.remove(slot)
            budget -= visit(slot, &core) + Self.visitBytes
        }
        counters.set(.splicedPipesExhausted, pipes.exhaustions)
    }

    /// Moves the bytes of one stream, and returns their number.
    private mutating func visit(_ slot: UInt32, _ core: inout ShardCore) -> Int {
        guard let stream = streams.pointer(inSlot: slot) else {
            preconditionFailure("a closed stream is ready")
        }
        let before = (stream.pointee.relay.toFar.bytes, stream.pointee.relay.toNear.bytes)
        let state = stream.pointee.relay.visit(&pipes)
        let bytes = count(stream, since: before)
        core.bytesThisTurn += bytes
        stream.pointee.usedAt = core.now
        switch state {
        case .idle: break
        case .busy: running.append(slot)
        case .finished: close(slot, reset: false, &core)
        case .failed:
            counters.add(.splicedReset)
            close(slot, reset: true, &core)
        }
        return bytes
    }

    /// Counts the bytes that a stream has moved, and returns their number.
    private func count(_ stream: UnsafeMutablePointer<SplicedStream>, since before: (UInt64, UInt64)) -> Int {
        let toGuest = Int(stream.pointee.relay.toFar.bytes &- before.0)
        let fromGuest = Int(stream.pointee.relay.toNear.bytes &- before.1)
        counters.add(.splicedBytesToGuest, toGuest)
        counters.add(.splicedBytesFromGuest, fromGuest)
        return toGuest + fromGuest
    }

    // MARK: Connections of an agent

    /// Relays a connection through the guest's agent: `client` is a socket on the host, and the agent relays
    /// `channel` to a socket in the guest. Takes ownership of both descriptors, which are already counted.
    mutating func join(client: Int32, channel: Int32, _ ends: ChannelEnds, _ core: inout ShardCore) {
        guard let handle = streams.insert(SplicedStream(client: client, channel: channel, ends, now: core.now)),
            let stream = streams.pointer(to: handle)
        else {
            counters.add(.splicedBeyondLimit)
            Endpoint.close(client, reset: true)
            Endpoint.close(channel, reset: false)
            return shared.descriptors.release(2)
        }
        counters.add(.forwardsAccepted)
        counters.add(.splicedOpened)
        counters.add(.splicedConnections)
        watch(stream, handle, &core)
        running.append(handle.slot)
    }

    // MARK: Descriptors

    /// Updates the guest's share of descriptors by the pipes and ready sockets opened or closed since the last call.
    /// They are opened and closed in many places, so one call per turn counts them all.
    mutating func countSpares() {
        let change = pipes.descriptors + sockets.stock - countedSpares
        guard change != 0 else { return }
        countedSpares += change
        if change > 0 { shared.descriptors.take(change) } else { shared.descriptors.release(-change) }
    }

    /// Closes all idle pipes or, if there are none, all ready sockets. False if nothing was closed.
    mutating func closeSpares() -> Bool {
        guard pipes.closeIdle() || sockets.closeStock() else { return false }
        countSpares()
        return true
    }

    /// The stream that has been idle longest in a sample (`IdleHand`); `nil` if no stream in the sample is connected.
    mutating func idlest() -> (slot: UInt32, usedAt: UInt64)? {
        hand.idlest(of: streams) { $0.pointee.phase == .moving ? $0.pointee.usedAt : nil }
    }

    /// Ends a stream to free its descriptors for other guests.
    mutating func giveBack(_ slot: UInt32, _ core: inout ShardCore) {
        counters.add(.flowsGivenBack)
        close(slot, reset: true, &core)
    }

    // MARK: Ending

    /// Closes both sockets. Their polls are cancelled first: an operation in flight keeps the file open and would delay
    /// the FIN or RST.
    private mutating func close(_ slot: UInt32, reset: Bool, _ core: inout ShardCore) {
        guard let stream = streams.pointer(inSlot: slot) else { return }
        // A queued poll refers to its socket by descriptor number, which may be reused after the close. So the poll
        // is submitted first.
        if stream.pointee.watchedInRound == core.reactor.ring.round { core.reactor.ring.submitAll() }
        unwatch(slot, &core)
        release(stream, reset: reset, &core)
        streams.remove(slot: slot)
        counters.add(.splicedConnections, -1)
    }

    private func unwatch(_ slot: UInt32, _ core: inout ShardCore) {
        let handle = streams.handle(ofSlot: slot)
        core.cancel(Operation.nearEvent.tag(handle))
        core.cancel(Operation.farEvent.tag(handle))
    }

    private mutating func release(
        _ stream: UnsafeMutablePointer<SplicedStream>, reset: Bool, _ core: inout ShardCore
    ) {
        stream.pointee.relay.abandon(&pipes)
        core.close(stream.pointee.relay.near.descriptor, reset: reset)
        shared.descriptors.release()
        guard stream.pointee.relay.far.descriptor >= 0 else { return }
        core.close(stream.pointee.relay.far.descriptor, reset: reset)
        shared.descriptors.release()
    }

    /// Closes the channel to the process that opens sockets in the guest, and the unused sockets that it has sent.
    mutating func closeSupply(_ core: inout ShardCore) {
        if sockets.isAsked { core.cancel(Operation.supply.tag()) }
        if sockets.isOpen { core.reactor.ring.closing(sockets.line) }
        sockets.close()
        countSpares()
    }

    /// Closes the streams in at most `most` slots from `cursor` on, at the end of the guest; true when no slot is
    /// left. Data that the guest's side has already sent is still passed to the host's socket.
    mutating func close(_ most: Int, from cursor: inout UInt32, _ core: inout ShardCore) -> Bool {
        let end = min(streams.highWater, cursor + UInt32(most))
        while cursor < end {
            if let stream = streams.pointer(inSlot: cursor) { close(last: stream, cursor, &core) }
            cursor += 1
        }
        return cursor == streams.highWater
    }

    private mutating func close(
        last stream: UnsafeMutablePointer<SplicedStream>, _ slot: UInt32, _ core: inout ShardCore
    ) {
        moveLast(stream)
        switch stream.pointee.phase {
        case .waiting: break
        case .connecting: core.cancel(Operation.connect.tag(streams.handle(ofSlot: slot)))
        case .moving:
            unwatch(slot, &core)
            counters.add(.splicedConnections, -1)
        }
        release(stream, reset: !stream.pointee.relay.toNear.isShut, &core)
        streams.remove(slot: slot)
    }

    private mutating func moveLast(_ stream: UnsafeMutablePointer<SplicedStream>) {
        guard stream.pointee.phase == .moving else { return }
        let before = (stream.pointee.relay.toFar.bytes, stream.pointee.relay.toNear.bytes)
        stream.pointee.relay.moveLast(to: .near, &pipes)
        _ = count(stream, since: before)
    }

    mutating func closeIdlePipes() {
        _ = pipes.closeIdle()
        countSpares()
    }

    /// Closes all streams, pipes and sockets immediately, after the ring has failed.
    mutating func closeDescriptors(_ core: inout ShardCore) {
        for slot in 0..<streams.highWater {
            guard let stream = streams.pointer(inSlot: slot) else { continue }
            moveLast(stream)
            release(stream, reset: !stream.pointee.relay.toNear.isShut, &core)
        }
        sockets.close()
        closeIdlePipes()
    }
}
