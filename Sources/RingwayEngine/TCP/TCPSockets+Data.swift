internal import CRingway
internal import Glibc
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem

/// Sending on the sockets of connections, receiving, and polling them for errors.
extension TCPSockets {
    // MARK: Sending

    /// The errors after which a send is retried after a pause.
    private static func isShortage(_ error: Int32) -> Bool {
        error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM
    }

    /// Sends the connection's unsent payload.
    ///
    /// - Parameters:
    ///   - limit: the most bytes; zero for no limit.
    ///   - isUrgent: whether the last byte is urgent.
    mutating func send(
        _ flow: Handle, _ slot: UInt32, limit: UInt32, isUrgent: Bool, _ core: inout ShardCore, _ stack: inout Stack
    ) {
        guard let socket = self.socket(slot, of: flow) else { return }
        precondition(
            socket.pointee.pending.isDisjoint(with: [.send, .retry]), "a connection has one send in flight at most")
        let first = stack.unsentPayload(flow)
        guard !first.isNone else { return }
        socket.pointee.pending.insert(.send)
        socket.pointee.noteSend()
        let tag = Operation.send.tag(sockets.handle(ofSlot: slot))
        let state = core.space.state(of: first)
        if state.pointee.next.isNone || limit > 0 || !sendSlices(socket, first, tag, &core) {
            core.pool.pointee.hold(first)
            socket.pointee.lease = first
            let available = state.pointee.length
            core.reactor.ring.send(
                socket.pointee.descriptor, core.space.payload(of: first),
                Int(limit == 0 ? available : min(available, limit)),
                flags: Int32(MSG_NOSIGNAL) | (isUrgent ? Int32(MSG_OOB) : 0), tag)
        }
    }

    /// Sends the first buffers of a chain, at most `SendMessage.sliceLimit`, by one `sendmsg`. Returns false if no
    /// message is free (`ShardCore.insertMessage`).
    private mutating func sendSlices(
        _ socket: UnsafeMutablePointer<StreamSocket>, _ first: Lease, _ tag: OperationTag, _ core: inout ShardCore
    ) -> Bool {
        guard let place = core.insertMessage(), let message = core.messages.pointer(to: place) else {
            return false
        }
        var lease = first
        while !lease.isNone, message.pointee.count < SendMessage.sliceLimit {
            let state = core.space.state(of: lease)
            core.pool.pointee.hold(lease)
            message.pointee.append(core.space.payload(of: lease), Int(state.pointee.length), lease)
            lease = state.pointee.next
        }
        socket.pointee.message = place.slot
        let header = SendMessage.seal(message, address: false, controlLength: 0)
        core.reactor.ring.send(socket.pointee.descriptor, message: header, flags: Int32(MSG_NOSIGNAL), tag)
        return true
    }

    mutating func sent(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        guard let socket = sockets.pointer(to: completion.tag.handle) else { return }
        socket.pointee.pending.remove(.send)
        if !socket.pointee.lease.isNone {
            core.release(socket.pointee.lease)
            socket.pointee.lease = .none
        }
        if socket.pointee.message != .max {
            core.releaseMessage(socket.pointee.message)
            socket.pointee.message = .max
        }
        if socket.pointee.isClosing { return closeWhenIdle(socket, &core) }
        let flow = socket.pointee.flow
        if completion.result >= 0 {
            stack.streamSent(flow, bytes: Int(completion.result))
        } else if Self.isShortage(-completion.result) {
            socket.pointee.pending.insert(.retry)
            deferred.append(completion.tag.handle.slot)
        } else if socket.pointee.pending.contains(.receive) {
            // Data that the peer sent before it closed still reaches the guest; the receive reports the end.
            socket.pointee.failSend()
        } else {
            close(socket, reset: true, &core)
            stack.streamFailed(flow)
        }
    }

    /// Whether sends must be retried after a pause.
    var hasDeferredSends: Bool {
        mutating get { !deferred.isEmpty }
    }

    /// Makes the stack retry one of the sends that failed with a temporary error.
    mutating func retryDeferredSend(_ core: inout ShardCore, _ stack: inout Stack) {
        guard let slot = deferred.popFirst() else { return }
        guard let socket = sockets.pointer(inSlot: slot) else {
            preconditionFailure("a closed socket waits to send")
        }
        socket.pointee.pending.remove(.retry)
        if socket.pointee.isClosing { return closeWhenIdle(socket, &core) }
        stack.streamSent(socket.pointee.flow, bytes: 0)
    }

    // MARK: Receiving

    /// Receives for a connection.
    ///
    /// - Parameters:
    ///   - limit: the most bytes.
    ///   - isPaused: whether the link is congested or the guest has used up its share of buffers. If so, nothing is
    ///     received now and the socket is queued.
    mutating func receive(_ flow: Handle, _ slot: UInt32, limit: UInt32, isPaused: Bool, _ core: inout ShardCore) {
        guard let socket = self.socket(slot, of: flow) else { return }
        precondition(
            socket.pointee.pending.isDisjoint(with: [.receive, .buffer]),
            "a connection has one receive in flight at most")
        if isPaused { return starve(socket, slot) }
        socket.pointee.pending.insert(.receive)
        socket.pointee.receiveLimit = limit
        core.reactor.ring.receive(
            socket.pointee.descriptor, upTo: limit, group: ShardCore.hostGroup,
            Operation.receive.tag(sockets.handle(ofSlot: slot)))
    }

    mutating func received(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        let lease = core.takeBuffer(completion)
        guard let socket = sockets.pointer(to: completion.tag.handle) else { return core.releaseAny(lease) }
        socket.pointee.pending.remove(.receive)
        if socket.pointee.isClosing {
            core.releaseAny(lease)
            return closeWhenIdle(socket, &core)
        }
        let flow = socket.pointee.flow
        if completion.result > 0, !lease.isNone {
            core.bytesThisTurn &+= Int(completion.result)
            // A receive stops before an urgent byte, although more data is available. If this receive has stopped
            // there, the stack is told.
            let mayBeMarked = completion.leavesMore && UInt32(completion.result) < socket.pointee.receiveLimit
            return stack.streamReceived(
                flow, lease, offset: core.receiveBuffers.headroom, length: Int(completion.result),
                precedesUrgent: mayBeMarked && HostCalls.isAtMark(socket.pointee.descriptor))
        }
        core.releaseAny(lease)
        switch -completion.result {
        case 0 where socket.pointee.state != .sendFailed:
            stack.streamEnded(flow)
            // No further receive is issued that would report a reset, so the socket is polled for errors. If the
            // guest has sent FIN, too (`shut`), both directions have ended and no poll is needed.
            if socket.pointee.state != .shut { watch(socket, completion.tag.handle, events: 0, &core) }
        case ENOBUFS:
            core.countStarvedReceive()
            starve(socket, completion.tag.handle.slot)
        case EAGAIN, EINTR, ENOMEM:
            stack.streamReceiveStarved(flow)
        default:
            close(socket, reset: true, &core)
            stack.streamFailed(flow)
        }
    }

    /// Queues a socket that waits for a buffer. The stack regards its receive as still in flight.
    private mutating func starve(_ socket: UnsafeMutablePointer<StreamSocket>, _ slot: UInt32) {
        socket.pointee.pending.insert(.buffer)
        starved.append(slot)
    }

    /// Whether sockets wait for a buffer.
    var hasStarvedReceives: Bool {
        mutating get { !starved.isEmpty }
    }

    /// Makes the stack retry the receive that has waited longest for a buffer.
    mutating func retryStarvedReceive(_ core: inout ShardCore, _ stack: inout Stack) {
        guard let slot = starved.popFirst() else { return }
        guard let socket = sockets.pointer(inSlot: slot) else {
            preconditionFailure("a closed socket waits for a buffer")
        }
        socket.pointee.pending.remove(.buffer)
        if socket.pointee.isClosing { return closeWhenIdle(socket, &core) }
        stack.streamReceiveStarved(socket.pointee.flow)
    }

    // MARK: Watching

    /// Polls a socket for errors while no receive on it is in flight. With `reportsEnd` the socket is that of a
    /// client of a published port, and is polled for the client's FIN, too.
    mutating func watch(_ flow: Handle, _ slot: UInt32, reportsEnd: Bool, _ core: inout ShardCore) {
        guard let socket = self.socket(slot, of: flow) else { return }
        watch(socket, sockets.handle(ofSlot: slot), events: reportsEnd ? Self.endOfClient : 0, &core)
    }

    private static var endOfClient: UInt32 { UInt32(EPOLLRDHUP.rawValue) }

    private mutating func watch(
        _ socket: UnsafeMutablePointer<StreamSocket>, _ handle: Handle, events: UInt32, _ core: inout ShardCore
    ) {
        guard !socket.pointee.pending.contains(.watch) else { return }
        socket.pointee.pending.insert(.watch)
        // A poll always reports errors (POLLERR), and the end of both directions (POLLHUP), after which an error may
        // follow.
        core.reactor.ring.pollMultishot(socket.pointee.descriptor, events, Operation.watch.tag(handle))
    }

    mutating func watched(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        guard let socket = sockets.pointer(to: completion.tag.handle) else { return }
        if !completion.hasMore { socket.pointee.pending.remove(.watch) }
        if socket.pointee.isClosing { return closeWhenIdle(socket, &core) }
        // A receive in flight returns the error after the data that came before it.
        guard completion.result > 0, !socket.pointee.pending.contains(.receive) else { return }
        let flow = socket.pointee.flow
        guard HostCalls.takeError(socket.pointee.descriptor) != 0 else {
            guard UInt32(bitPattern: completion.result) & Self.endOfClient != 0,
                !HostCalls.hasUnread(socket.pointee.descriptor)
            else { return }
            return stack.clientEnded(flow)
        }
        close(socket, reset: true, &core)
        stack.streamFailed(flow)
    }
}
