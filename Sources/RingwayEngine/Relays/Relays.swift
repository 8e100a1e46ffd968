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

    static var clientEnd: UInt8 { 0 }
    static var guestEnd: UInt8 { 1 }
    /// Bytes that one stream may move one way before others get their turn, and that all may before frames get theirs.
    private static var streamBytes: Int { 1 << 20 }
    private static var turnBytes: Int { 4 << 20 }
    /// What a visit costs even if nothing moves.
    private static var visitBytes: Int { 8_192 }
    /// Bytes that are still taken from a connection that has failed.
    private static var lastBytes: Int { 16 << 20 }

    private static var readEvents: Int32 { Int32(POLLIN) | Int32(POLLHUP) | Int32(POLLERR) }

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
        watch(stream.pointee.client, handle, Self.clientEnd, &core)
        watch(stream.pointee.guest, handle, Self.guestEnd, &core)
    }

    private func watch(_ end: RelayEnd, _ handle: Handle, _ which: UInt8, _ core: inout ShardCore) {
        core.reactor.ring.pollMultishot(
            end.descriptor, UInt32(POLLIN) | UInt32(POLLOUT), Operation.event.tag(handle, detail: which))
    }

    private mutating func happened(_ completion: Completion, _ core: inout ShardCore) {
        let handle = completion.tag.handle
        guard let stream = streams.pointer(to: handle) else { return }
        let which = completion.tag.detail
        // A watch that has ended says nothing about what it has missed.
        let events = completion.result > 0 && completion.hasMore ? completion.result : Self.readEvents | Int32(POLLOUT)
        if which == Self.clientEnd {
            Self.note(events, at: &stream.pointee.client, &stream.pointee.toGuest, &stream.pointee.fromGuest)
            if !completion.hasMore { watch(stream.pointee.client, handle, which, &core) }
        } else {
            Self.note(events, at: &stream.pointee.guest, &stream.pointee.fromGuest, &stream.pointee.toGuest)
            if !completion.hasMore { watch(stream.pointee.guest, handle, which, &core) }
        }
        if stream.pointee.place == .none { running.append(handle.slot) }
    }

    private static func note(
        _ events: Int32, at end: inout RelayEnd, _ from: inout RelayDirection, _ to: inout RelayDirection
    ) {
        if events & readEvents != 0 { from.isReadable = true }
        if events & Int32(POLLOUT) != 0 { to.isWritable = true }
        if events & Int32(POLLERR) != 0, ringway_socket_error(end.descriptor) != 0 { end.isBroken = true }
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
        let toGuest = move(stream, toGuest: true, Self.streamBytes)
        let fromGuest = move(stream, toGuest: false, Self.streamBytes)
        let bytes = toGuest + fromGuest
        core.bytesThisTurn += bytes
        stream.pointee.usedAt = core.now
        if stream.pointee.fromGuest.isSourceGoneAfterEnd(stream.pointee.guest), !stream.pointee.toGuest.isShut {
            stream.pointee.guest.isBroken = true
        }
        if stream.pointee.client.isBroken || stream.pointee.guest.isBroken {
            // What the peer sent before it went away still arrives, as far as there is room for it.
            if stream.pointee.client.isBroken, !stream.pointee.guest.isBroken { moveLast(stream, toGuest: true) }
            if stream.pointee.guest.isBroken, !stream.pointee.client.isBroken { moveLast(stream, toGuest: false) }
            counters.add(.splicedReset)
            close(slot, reset: true, &core)
        } else if stream.pointee.isOver {
            close(slot, reset: false, &core)
        } else if stream.pointee.toGuest.canMove || stream.pointee.fromGuest.canMove {
            running.append(slot)
        }
        return bytes
    }

    private mutating func move(
        _ stream: UnsafeMutablePointer<SplicedStream>, toGuest: Bool, _ limit: Int
    ) -> Int {
        var budget = limit
        let outcome: RelayDirection.Outcome
        if toGuest {
            outcome = stream.pointee.toGuest.move(
                from: stream.pointee.client, to: stream.pointee.guest, &pipes, budget: &budget)
        } else {
            outcome = stream.pointee.fromGuest.move(
                from: stream.pointee.guest, to: stream.pointee.client, &pipes, budget: &budget)
        }
        counters.add(toGuest ? .splicedOctetsToGuest : .splicedOctetsFromGuest, limit - budget)
        switch outcome {
        case .moved: break
        case .sourceBroken where toGuest, .sinkBroken where !toGuest: stream.pointee.client.isBroken = true
        case .sourceBroken, .sinkBroken: stream.pointee.guest.isBroken = true
        }
        return limit - budget
    }

    private mutating func moveLast(_ stream: UnsafeMutablePointer<SplicedStream>, toGuest: Bool) {
        if toGuest { stream.pointee.toGuest.isReadable = true } else { stream.pointee.fromGuest.isReadable = true }
        _ = move(stream, toGuest: toGuest, Self.lastBytes)
    }

    // MARK: Connections of an agent

    /// Takes a client whose server an agent has reached; both descriptors are adopted and counted.
    mutating func join(client: Int32, conversation: Int32, _ ends: ConversationEnds, _ core: inout ShardCore) {
        guard let handle = streams.insert(SplicedStream(client: client, conversation: conversation, ends)),
            let stream = streams.pointer(to: handle)
        else {
            counters.add(.splicedBeyondLimit)
            Endpoint.close(client, reset: true)
            Endpoint.close(conversation, reset: false)
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
        unwatch(slot, &core)
        release(stream, reset: reset, &core)
        streams.remove(slot: slot)
        counters.add(.splicedConnections, -1)
    }

    private func unwatch(_ slot: UInt32, _ core: inout ShardCore) {
        let handle = streams.handle(ofSlot: slot)
        core.cancel(Operation.event.tag(handle, detail: Self.clientEnd))
        core.cancel(Operation.event.tag(handle, detail: Self.guestEnd))
    }

    private mutating func release(
        _ stream: UnsafeMutablePointer<SplicedStream>, reset: Bool, _ core: inout ShardCore
    ) {
        stream.pointee.toGuest.abandon(&pipes)
        stream.pointee.fromGuest.abandon(&pipes)
        core.close(stream.pointee.client.descriptor, reset: reset)
        shared.descriptors.release()
        guard stream.pointee.guest.descriptor >= 0 else { return }
        core.close(stream.pointee.guest.descriptor, reset: reset)
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
            if stream.pointee.phase == .moving { moveLast(stream, toGuest: false) }
            release(stream, reset: !stream.pointee.fromGuest.isShut, &core)
        }
        sockets.close()
        _ = pipes.closeIdle()
        countSpares()
    }
}
