internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRelay
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// The opening of spliced connections for clients of published ports.
///
/// The guest cannot reach a client on the host's loopback under the client's own address, so the client appears to
/// come from the host address, which stands for the host in the guest's network. A socket that is opened inside the
/// guest's network namespace and bound to the host address looks the same to the guest's server. The client's bytes may
/// therefore come from such a socket instead of the link. Nothing is read from the client until that socket is
/// connected. On any failure the client is returned and its connection uses the link, so that the client gets the
/// guest's own reply, such as RST.
extension Relays {
    /// Timeout in nanoseconds for each step of opening a spliced connection: getting a socket, and connecting it.
    /// After the timeout the connection uses the link. A server in the same namespace replies within microseconds. If
    /// the guest's firewall redirects the packets elsewhere, no reply comes.
    private static var openTimeout: UInt64 { 100_000_000 }

    /// Takes an accepted client if it may bypass the link; otherwise returns false. If the opening then fails,
    /// `nextReturned` returns the client.
    ///
    /// - Parameter isCaptured: whether the link's frames are captured; the connection must then use the link.
    mutating func open(
        _ client: PortClient, isCaptured: Bool, _ core: inout ShardCore, _ stack: inout Stack
    ) -> Bool {
        guard sockets.isOpen, !isCaptured, client.address.address.isLoopback,
            detours.mayTry(client.guest, now: core.now), shared.descriptors.hasRoom
        else { return false }
        let stream = SplicedStream(
            client: client.descriptor, address: client.address, server: client.guest, now: core.now)
        guard let handle = streams.insert(stream) else {
            counters.add(.splicedBeyondLimit)
            return false
        }
        opening.append(handle.slot)
        openInside(handle.slot, &core, &stack)
        return true
    }

    /// Takes a socket inside the guest for a stream and connects it, or makes the stream wait for a socket.
    private mutating func openInside(_ slot: UInt32, _ core: inout ShardCore, _ stack: inout Stack) {
        guard let stream = streams.pointer(inSlot: slot) else { return }
        let server = stream.pointee.server
        let isIPv4 = server.address.isIPv4
        stream.pointee.deadline = core.now + Self.openTimeout
        opening.moveToEnd(slot)
        guard let socket = sockets.take(ipv4: isIPv4) else {
            askForSockets(ipv4: isIPv4, &core)
            if !sockets.isAsked(ipv4: isIPv4) { giveUp(slot, .splicedWithoutSocket, &core) }
            return
        }
        // The socket is now counted as part of the connection. Until the next `countSpares` it is counted as ready,
        // too.
        shared.descriptors.take(1)
        let client = stream.pointee.clientAddress
        let source = stack.shownToGuest(client.address, by: server.address)
        stream.pointee.relay.far.descriptor = socket
        stream.pointee.phase = .connecting
        var error = StreamSocket.connect(socket, from: source, port: client.port, to: server)
        if error == EADDRNOTAVAIL, let other = sockets.take(ipv4: isIPv4) {
            // Another connection uses the client's port, or did until recently. `other` connects from a port that the
            // kernel chooses.
            Endpoint.close(socket, reset: false)
            stream.pointee.relay.far.descriptor = other
            error = StreamSocket.connect(other, from: source, port: 0, to: server)
        }
        askForSockets(ipv4: isIPv4, &core)
        switch error {
        case 0: beginMoving(slot, &core)
        case EINPROGRESS: awaitConnect(slot, &core)
        default: giveUp(slot, .splicedRefused, &core)
        }
    }

    private func awaitConnect(_ slot: UInt32, _ core: inout ShardCore) {
        guard let stream = streams.pointer(inSlot: slot) else { return }
        core.reactor.ring.poll(
            stream.pointee.relay.far.descriptor, UInt32(POLLOUT), Operation.connect.tag(streams.handle(ofSlot: slot)))
    }

    mutating func connected(_ completion: Completion, _ core: inout ShardCore) {
        let handle = completion.tag.handle
        guard let stream = streams.pointer(to: handle), stream.pointee.phase == .connecting else { return }
        switch StreamSocket.connectError(stream.pointee.relay.far.descriptor) {
        case 0: beginMoving(handle.slot, &core)
        case EINPROGRESS, EALREADY: awaitConnect(handle.slot, &core)
        default: giveUp(handle.slot, .splicedRefused, &core)
        }
    }

    private mutating func beginMoving(_ slot: UInt32, _ core: inout ShardCore) {
        guard let stream = streams.pointer(inSlot: slot) else { return }
        opening.remove(slot)
        stream.pointee.phase = .moving
        stream.pointee.usedAt = core.now
        detours.answered(stream.pointee.server)
        counters.add(.forwardsAccepted)
        counters.add(.splicedOpened)
        counters.add(.splicedConnections)
        watch(stream, streams.handle(ofSlot: slot), &core)
    }

    // MARK: Returning clients

    /// Abandons a stream that is being opened; `nextReturned` then returns its client.
    private mutating func giveUp(_ slot: UInt32, _ reason: Metric, _ core: inout ShardCore) {
        guard let stream = streams.pointer(inSlot: slot) else { return }
        counters.add(reason)
        if stream.pointee.phase == .connecting {
            core.cancel(Operation.connect.tag(streams.handle(ofSlot: slot)))
            core.close(stream.pointee.relay.far.descriptor, reset: true)
            stream.pointee.relay.far.descriptor = -1
            stream.pointee.phase = .waiting
            shared.descriptors.release()
        }
        opening.remove(slot)
        returning.append(slot)
    }

    /// Removes and returns a client whose spliced connection could not be opened, so that it must use the link; `nil`
    /// if there is none.
    mutating func nextReturned() -> PortClient? {
        guard let stream = streams.pointer(inSlot: returning.first) else { return nil }
        let client = PortClient(
            descriptor: stream.pointee.relay.near.descriptor, address: stream.pointee.clientAddress,
            guest: stream.pointee.server)
        let slot = returning.first
        returning.remove(slot)
        streams.remove(slot: slot)
        return client
    }

    /// Abandons streams whose opening has timed out.
    mutating func expireOpening(_ core: inout ShardCore) {
        while let stream = streams.pointer(inSlot: opening.first), stream.pointee.deadline <= core.now {
            guard stream.pointee.phase == .connecting else {
                giveUp(opening.first, .splicedWithoutSocket, &core)
                continue
            }
            detours.timedOut(stream.pointee.server, now: core.now)
            giveUp(opening.first, .splicedTimedOut, &core)
        }
    }

    // MARK: Sockets from inside the guest

    private mutating func askForSockets(ipv4: Bool, _ core: inout ShardCore) {
        if sockets.refill(ipv4: ipv4, waiting: opening.count) { watchSupply(&core) }
    }

    private func watchSupply(_ core: inout ShardCore) {
        core.reactor.ring.poll(sockets.line, UInt32(POLLIN), Operation.supply.tag())
    }

    mutating func socketsArrived(_ core: inout ShardCore, _ stack: inout Stack) {
        sockets.receive()
        if sockets.isAsked { watchSupply(&core) }
        // Each waiting stream gets a socket, keeps waiting, or is abandoned.
        var slot = opening.first
        while let stream = streams.pointer(inSlot: slot) {
            let next = opening.next(after: slot)
            let isIPv4 = stream.pointee.server.address.isIPv4
            if stream.pointee.phase == .waiting, !sockets.isAsked(ipv4: isIPv4) {
                if sockets.isReady(ipv4: isIPv4) {
                    openInside(slot, &core, &stack)
                } else {
                    // No socket is ready and no reply is due: the reply contained none, or the channel is closed. For
                    // a while, the server's next clients use the link immediately.
                    detours.blocked(stream.pointee.server, now: core.now)
                    giveUp(slot, .splicedWithoutSocket, &core)
                }
            }
            slot = next
        }
    }
}
