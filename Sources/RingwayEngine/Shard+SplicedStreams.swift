internal import CRingway
internal import Glibc
internal import RingwayHost
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStorage

/// Connections that are two sockets: the kernel tells when one has something or has room, and the shard moves it at once.
///
/// The ring is asked for events only. A splice that it is asked for goes to a thread of the kernel's, which costs more
/// than the splice; the system call that does not wait costs nothing but itself.
extension Shard {
    static var clientEnd: UInt8 { 0 }
    static var guestEnd: UInt8 { 1 }
    /// Octets that one stream may move one way before others get their turn, and that all may before frames get theirs.
    static var splicedStreamOctets: Int { 1 << 20 }
    static var splicedTurnOctets: Int { 4 << 20 }
    /// What a visit costs even if nothing moves.
    static var splicedVisitOctets: Int { 8_192 }
    /// Octets that are still taken from a connection that has failed.
    static var splicedLastOctets: Int { 16 << 20 }

    private static var readEvents: Int32 { Int32(POLLIN) | Int32(POLLHUP) | Int32(POLLERR) }

    /// When spliced streams want the shard's attention again.
    var splicedDeadline: UInt64? {
        if runningStreams.count > 0 { return reactor.now }
        return spliced.pointer(inSlot: openingStreams.first)?.pointee.deadline
    }

    // MARK: Events

    mutating func watch(_ end: SplicedEnd, _ handle: Handle, _ which: UInt8) {
        reactor.ring.pollMultishot(
            end.descriptor, UInt32(POLLIN) | UInt32(POLLOUT), Operation.splicedEvent.tag(handle, detail: which))
    }

    mutating func splicedEvent(_ completion: Completion) {
        let handle = completion.tag.handle
        guard let stream = spliced.pointer(to: handle) else { return }
        let which = completion.tag.detail
        // A watch that has ended says nothing about what it has missed.
        let events = completion.result > 0 && completion.hasMore ? completion.result : Self.readEvents | Int32(POLLOUT)
        if which == Self.clientEnd {
            Self.note(events, at: &stream.pointee.client, &stream.pointee.toGuest, &stream.pointee.fromGuest)
            if !completion.hasMore { watch(stream.pointee.client, handle, which) }
        } else {
            Self.note(events, at: &stream.pointee.guest, &stream.pointee.fromGuest, &stream.pointee.toGuest)
            if !completion.hasMore { watch(stream.pointee.guest, handle, which) }
        }
        if stream.pointee.place == .none { runningStreams.append(handle.slot) }
    }

    private static func note(
        _ events: Int32, at end: inout SplicedEnd, _ from: inout SplicedDirection, _ to: inout SplicedDirection
    ) {
        if events & readEvents != 0 { from.isReadable = true }
        if events & Int32(POLLOUT) != 0 { to.isWritable = true }
        if events & Int32(POLLERR) != 0, ringway_socket_error(end.descriptor) != 0 { end.isBroken = true }
    }

    // MARK: Moving

    /// Gives every stream with something to do its turn.
    mutating func runSplicedStreams() {
        guard spliced.count > 0 else { return }
        pipes.mayGrow = shared.descriptors.hasRoom
        expireOpeningStreams()
        var visits = runningStreams.count
        var budget = Self.splicedTurnOctets
        while visits > 0, budget > 0 {
            visits -= 1
            let slot = runningStreams.first
            runningStreams.remove(slot)
            budget -= visit(slot) + Self.splicedVisitOctets
        }
        counters.set(.splicedPipesExhausted, pipes.exhaustions)
    }

    /// Moves what one stream has, and answers how many octets that was.
    private mutating func visit(_ slot: UInt32) -> Int {
        guard let stream = spliced.pointer(inSlot: slot) else {
            preconditionFailure("a stream that is gone has something to do")
        }
        let toGuest = move(stream, toGuest: true, Self.splicedStreamOctets)
        let fromGuest = move(stream, toGuest: false, Self.splicedStreamOctets)
        let octets = toGuest + fromGuest
        octetsThisTurn += octets
        stream.pointee.usedAt = reactor.now
        if stream.pointee.fromGuest.isSourceGoneAfterEnd(stream.pointee.guest), !stream.pointee.toGuest.isShut {
            stream.pointee.guest.isBroken = true
        }
        if stream.pointee.client.isBroken || stream.pointee.guest.isBroken {
            // What the peer sent before it went away still arrives, as far as there is room for it.
            if stream.pointee.client.isBroken, !stream.pointee.guest.isBroken { moveLast(stream, toGuest: true) }
            if stream.pointee.guest.isBroken, !stream.pointee.client.isBroken { moveLast(stream, toGuest: false) }
            counters.add(.splicedReset)
            closeSpliced(slot, reset: true)
        } else if stream.pointee.isOver {
            closeSpliced(slot, reset: false)
        } else if stream.pointee.toGuest.canMove || stream.pointee.fromGuest.canMove {
            runningStreams.append(slot)
        }
        return octets
    }

    private mutating func move(
        _ stream: UnsafeMutablePointer<SplicedStream>, toGuest: Bool, _ limit: Int
    ) -> Int {
        var budget = limit
        let outcome: SplicedOutcome
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
        _ = move(stream, toGuest: toGuest, Self.splicedLastOctets)
    }

    // MARK: Conversations with an agent

    /// Takes a client whose server an agent has reached: what it says and hears travels in records.
    mutating func join(client: Int32, conversation: Int32, _ ends: ConversationEnds) {
        guard let handle = spliced.insert(SplicedStream(client: client, conversation: conversation, ends)),
            let stream = spliced.pointer(to: handle)
        else {
            counters.add(.splicedBeyondLimit)
            Endpoint.close(client, reset: true)
            Endpoint.close(conversation, reset: false)
            return shared.descriptors.release(2)
        }
        counters.add(.forwardsAccepted)
        counters.add(.splicedOpened)
        counters.add(.splicedConnections)
        watch(stream.pointee.client, handle, Self.clientEnd)
        watch(stream.pointee.guest, handle, Self.guestEnd)
        runningStreams.append(handle.slot)
    }

    // MARK: Ending

    /// Closes both sockets. The watches are taken off in the same turn, so nothing keeps a FIN or RST back for longer.
    mutating func closeSpliced(_ slot: UInt32, reset: Bool) {
        guard let stream = spliced.pointer(inSlot: slot) else { return }
        unwatchSpliced(slot)
        release(stream, reset: reset)
        spliced.remove(slot: slot)
        counters.add(.splicedConnections, -1)
    }

    mutating func unwatchSpliced(_ slot: UInt32) {
        let handle = spliced.handle(ofSlot: slot)
        cancel(Operation.splicedEvent.tag(handle, detail: Self.clientEnd))
        cancel(Operation.splicedEvent.tag(handle, detail: Self.guestEnd))
    }

    private mutating func release(_ stream: UnsafeMutablePointer<SplicedStream>, reset: Bool) {
        stream.pointee.toGuest.abandon(&pipes)
        stream.pointee.fromGuest.abandon(&pipes)
        closeWatched(stream.pointee.client.descriptor, reset: reset)
        shared.descriptors.release()
        guard stream.pointee.guest.descriptor >= 0 else { return }
        closeWatched(stream.pointee.guest.descriptor, reset: reset)
        shared.descriptors.release()
    }

    /// Ends every stream. What the guest's last server said before it ended is still passed on.
    mutating func shutDownSplicedStreams() {
        for slot in 0..<spliced.highWater {
            guard let stream = spliced.pointer(inSlot: slot) else { continue }
            if stream.pointee.phase == .moving { moveLast(stream, toGuest: false) }
            release(stream, reset: !stream.pointee.fromGuest.isShut)
        }
        sockets.close()
    }
}
