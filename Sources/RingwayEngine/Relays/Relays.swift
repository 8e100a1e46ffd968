internal import CRingway
internal import Glibc
internal import RingwayReactor
internal import RingwayRelay
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// Connections that go around the link: two sockets each, between which the shard moves bytes with splice(2).
///
/// ## Theory of operation
///
/// The ring is asked for events only (multishot polls on both sockets), and the shard moves what there is at once: a
/// splice that the ring is asked for goes to a thread of the kernel's, which costs more than the splice; the system call
/// that does not wait costs nothing but itself. A stream with something to do is on the `running` list and is visited in
/// turn, a bounded number of bytes at a time.
///
/// Streams come from two sides: clients of published ports on the host's loopback, which are led to a socket inside the
/// guest (`Relays+Opening.swift`) and are returned where that fails; and connections that the guest's agent carries, which
/// travel in records.
struct Relays: ~Copyable {
    enum Operation: UInt8, ShardOperation {
        /// Either end of a stream has something, or room; the tag's detail says which end.
        case event
        /// A socket inside the guest has connected.
        case connect
        /// Sockets have come from inside the guest.
        case supply

        static var owner: OperationOwner { .relays }
    }

    /// Bytes that all streams may move before frames get their turn.
    private static var turnBytes: Int { 4 << 20 }
    /// What a visit costs even if nothing moves.
    private static var visitBytes: Int { 8_192 }

    let shared: EngineShared
    let counters: Counters
    var streams: Slab<SplicedStream>
    /// Streams that have no answer from inside the guest yet, the oldest first.
    var opening: SplicedList
    /// Streams that have something to move.
    private var running: SplicedList
    /// Streams whose client is to be returned.
    var returning: SplicedList
    var detours: SpliceDetours
    var sockets: SocketSupply
    private var pipes = PipePool()
    /// Descriptors of pipes and of ready sockets that are counted.
    private var countedSpares = 0
    /// Where the search for an idle stream goes on.
    private var hand = IdleHand()

    /// - Parameter index: the shard's.
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

    /// Routes a completion of one of the component's operations. Clients that it has failed are to be had by
    /// `nextReturned`.
    mutating func complete(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        switch Operation(completion.tag) {
        case .event: happened(completion, &core)
        case .connect: connected(completion, &core)
        case .supply: socketsArrived(&core, &stack)
        case nil: break
        }
    }

    /// When streams want the shard's attention again, monotonic nanoseconds; `nil` for never.
    func deadline(now: UInt64) -> UInt64? {
        if running.count > 0 { return now }
        return streams.pointer(inSlot: opening.first)?.pointee.deadline
    }

    // MARK: Events

    /// Has the kernel tell when a stream's sockets have something or have room.
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
            end.descriptor, UInt32(POLLIN) | UInt32(POLLOUT), Operation.event.tag(handle, detail: side.rawValue))
    }

    private mutating func happened(_ completion: Completion, _ core: inout ShardCore) {
        let handle = completion.tag.handle
        guard let stream = streams.pointer(to: handle), let side = Relay.Side(rawValue: completion.tag.detail) else {
            return
        }
        // A watch that has ended says nothing about what it has missed.
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

    /// Gives every stream with something to do its turn, and those up that have not opened in time.
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

    /// Moves what one stream has, and returns how many bytes that was.
    private mutating func visit(_ slot: UInt32, _ core: inout ShardCore) -> Int {
        guard let stream = streams.pointer(inSlot: slot) else {
            preconditionFailure("a stream that is gone has something to do")
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

    /// Counts what a stream has moved, and returns how many bytes that was.
    private func count(_ stream: UnsafeMutablePointer<SplicedStream>, since before: (UInt64, UInt64)) -> Int {
        let toGuest = Int(stream.pointee.relay.toFar.bytes &- before.0)
        let fromGuest = Int(stream.pointee.relay.toNear.bytes &- before.1)
        counters.add(.splicedBytesToGuest, toGuest)
        counters.add(.splicedBytesFromGuest, fromGuest)
        return toGuest + fromGuest
    }

    // MARK: Connections of an agent

    /// Takes a client whose server an agent has reached; both descriptors are adopted and counted.
    mutating func join(client: Int32, channel: Int32, _ ends: ChannelEnds, _ core: inout ShardCore) {
        guard let handle = streams.insert(SplicedStream(client: client, channel: channel, ends)),
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

    /// Counts what is kept ready, which is made and closed in many places.
    mutating func countSpares() {
        let change = pipes.descriptors + sockets.stock - countedSpares
        guard change != 0 else { return }
        countedSpares += change
        if change > 0 { shared.descriptors.take(change) } else { shared.descriptors.release(-change) }
    }

    /// Closes what is only kept ready; false when there is nothing.
    mutating func closeSpares() -> Bool {
        guard pipes.closeIdle() || sockets.closeStock() else { return false }
        countSpares()
        return true
    }

    /// The stream that has been idle for longest, of some; `nil` when there is none.
    mutating func idlest() -> (slot: UInt32, usedAt: UInt64)? {
        hand.idlest(of: streams) { $0.pointee.phase == .moving ? $0.pointee.usedAt : nil }
    }

    /// Ends a stream for the sake of other guests.
    mutating func giveBack(_ slot: UInt32, _ core: inout ShardCore) {
        counters.add(.flowsGivenBack)
        close(slot, reset: true, &core)
    }

    // MARK: Ending

    /// Closes both sockets. The watches are taken off in the same turn, so nothing keeps a FIN or RST back for longer.
    private mutating func close(_ slot: UInt32, reset: Bool, _ core: inout ShardCore) {
        guard let stream = streams.pointer(inSlot: slot) else { return }
        // A watch that is only queued knows its socket by a number, which another file may have by the time it is submitted.
        if stream.pointee.watchedInRound == core.reactor.ring.round { core.reactor.ring.submitAll() }
        unwatch(slot, &core)
        release(stream, reset: reset, &core)
        streams.remove(slot: slot)
        counters.add(.splicedConnections, -1)
    }

    private func unwatch(_ slot: UInt32, _ core: inout ShardCore) {
        let handle = streams.handle(ofSlot: slot)
        core.cancel(Operation.event.tag(handle, detail: Relay.Side.near.rawValue))
        core.cancel(Operation.event.tag(handle, detail: Relay.Side.far.rawValue))
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

    /// Takes all watches off, at the end of the shard: each holds the file that it works on.
    mutating func cancelAll(_ core: inout ShardCore) {
        for slot in 0..<streams.highWater where streams.pointer(inSlot: slot) != nil { unwatch(slot, &core) }
    }

    /// Ends everything, at the end of the shard. What the guest's last server said before it ended is still passed on.
    mutating func closeDescriptors(_ core: inout ShardCore) {
        for slot in 0..<streams.highWater {
            guard let stream = streams.pointer(inSlot: slot) else { continue }
            if stream.pointee.phase == .moving {
                let before = (stream.pointee.relay.toFar.bytes, stream.pointee.relay.toNear.bytes)
                stream.pointee.relay.moveLast(to: .near, &pipes)
                _ = count(stream, since: before)
            }
            release(stream, reset: !stream.pointee.relay.toNear.isShut, &core)
        }
        sockets.close()
        _ = pipes.closeIdle()
        countSpares()
    }
}
