internal import CRingway
internal import Glibc
internal import RingwayHost
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// Which clients of published ports go around the link, and how they get there.
///
/// A client on the host's loopback has no address that the guest could see; it appears as the host. So its octets may as
/// well come from a socket inside the guest that is bound to the host's address and connected to the guest's server. As
/// long as that is not certain nothing is read from the client, and whatever goes wrong sends it by the link, where the
/// guest decides what it sees.
extension Shard {
    /// How long a connection may take to open before it goes by the link, in nanoseconds. Inside one namespace an answer
    /// takes microseconds; none comes where packets are redirected elsewhere.
    static var openingPatience: UInt64 { 100_000_000 }

    /// Takes an accepted client if it may go around the link.
    mutating func openSpliced(_ descriptor: Int32, client: TransportAddress, server: TransportAddress) -> Bool {
        guard sockets.isOpen, !capture.isOn, client.address.isLoopback, detours.mayTry(server, now: reactor.now),
            shared.descriptors.hasRoom
        else { return false }
        let stream = SplicedStream(client: descriptor, address: client, server: server)
        guard let handle = spliced.insert(stream) else {
            counters.add(.splicedBeyondLimit)
            return false
        }
        openingStreams.append(handle.slot)
        openInside(handle.slot)
        return true
    }

    /// Gives a stream its socket in the guest, or lets it wait for one.
    private mutating func openInside(_ slot: UInt32) {
        guard let stream = spliced.pointer(inSlot: slot) else { return }
        let server = stream.pointee.server
        let isIPv4 = server.address.isIPv4
        stream.pointee.deadline = reactor.now + Self.openingPatience
        guard let socket = sockets.take(ipv4: isIPv4) else {
            askForSockets(ipv4: isIPv4)
            if !sockets.isAsked(ipv4: isIPv4) { takeLink(slot, .splicedWithoutSocket) }
            return
        }
        // Until now it was one of the stock, whose count is seen to at the end of the turn.
        shared.descriptors.take(1)
        let client = stream.pointee.clientAddress
        let source = stack.shownToGuest(client.address, by: server.address)
        stream.pointee.guest.descriptor = socket
        stream.pointee.phase = .connecting
        var error = StreamSocket.connect(socket, from: source, port: client.port, to: server)
        if error == EADDRNOTAVAIL, let other = sockets.take(ipv4: isIPv4) {
            // A client of another address has that port, or had it a moment ago.
            Endpoint.close(socket, reset: false)
            stream.pointee.guest.descriptor = other
            error = StreamSocket.connect(other, from: source, port: 0, to: server)
        }
        askForSockets(ipv4: isIPv4)
        switch error {
        case 0: beginMoving(slot)
        case EINPROGRESS: awaitConnect(slot)
        default: takeLink(slot, .splicedRefused)
        }
    }

    private mutating func awaitConnect(_ slot: UInt32) {
        guard let stream = spliced.pointer(inSlot: slot) else { return }
        reactor.ring.poll(
            stream.pointee.guest.descriptor, UInt32(POLLOUT), Operation.splicedConnect.tag(spliced.handle(ofSlot: slot))
        )
    }

    mutating func splicedConnected(_ completion: Completion) {
        let handle = completion.tag.handle
        guard let stream = spliced.pointer(to: handle), stream.pointee.phase == .connecting else { return }
        switch StreamSocket.connectError(stream.pointee.guest.descriptor) {
        case 0: beginMoving(handle.slot)
        case EINPROGRESS, EALREADY: awaitConnect(handle.slot)
        default: takeLink(handle.slot, .splicedRefused)
        }
    }

    private mutating func beginMoving(_ slot: UInt32) {
        guard let stream = spliced.pointer(inSlot: slot) else { return }
        openingStreams.remove(slot)
        stream.pointee.phase = .moving
        detours.answered(stream.pointee.server)
        counters.add(.forwardsAccepted)
        counters.add(.splicedOpened)
        counters.add(.splicedConnections)
        let handle = spliced.handle(ofSlot: slot)
        watch(stream.pointee.client, handle, Self.clientEnd)
        watch(stream.pointee.guest, handle, Self.guestEnd)
    }

    /// Sends a client by the link after all.
    private mutating func takeLink(_ slot: UInt32, _ reason: Metric) {
        guard let stream = spliced.pointer(inSlot: slot) else { return }
        counters.add(reason)
        let (client, address, server) = (
            stream.pointee.client.descriptor, stream.pointee.clientAddress, stream.pointee.server
        )
        if stream.pointee.phase == .connecting {
            cancel(Operation.splicedConnect.tag(spliced.handle(ofSlot: slot)))
            closeWatched(stream.pointee.guest.descriptor, reset: true)
            shared.descriptors.release()
        }
        openingStreams.remove(slot)
        spliced.remove(slot: slot)
        takeClient(client, client: address, guest: server)
    }

    /// Sends on by the link who has waited for too long.
    mutating func expireOpeningStreams() {
        while let stream = spliced.pointer(inSlot: openingStreams.first), stream.pointee.deadline <= reactor.now {
            guard stream.pointee.phase == .connecting else {
                takeLink(openingStreams.first, .splicedWithoutSocket)
                continue
            }
            detours.timedOut(stream.pointee.server, now: reactor.now)
            takeLink(openingStreams.first, .splicedTimedOut)
        }
    }

    // MARK: Sockets from inside the guest

    private mutating func askForSockets(ipv4: Bool) {
        if sockets.refill(ipv4: ipv4, waiting: openingStreams.count) { watchSupply() }
    }

    private mutating func watchSupply() {
        reactor.ring.poll(sockets.line, UInt32(POLLIN), Operation.socketSupply.tag())
    }

    mutating func socketsArrived() {
        sockets.receive()
        if sockets.isAsked { watchSupply() }
        // Each that waits gets a socket, waits on, or learns that there will be none.
        var slot = openingStreams.first
        while let stream = spliced.pointer(inSlot: slot) {
            let next = stream.pointee.next
            let isIPv4 = stream.pointee.server.address.isIPv4
            if stream.pointee.phase == .waiting, !sockets.isAsked(ipv4: isIPv4) {
                if sockets.isReady(ipv4: isIPv4) { openInside(slot) } else { giveUpSockets(slot) }
            }
            slot = next
        }
    }

    /// An answer without a socket: there is no way into the guest now, and the next clients need not ask.
    private mutating func giveUpSockets(_ slot: UInt32) {
        if let stream = spliced.pointer(inSlot: slot) { detours.blocked(stream.pointee.server, now: reactor.now) }
        takeLink(slot, .splicedWithoutSocket)
    }
}
