internal import CRingway
internal import Glibc
internal import RingwayHost
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// Published ports.
extension Shard {
    mutating func addListener(_ order: ListeningSocket) {
        var socket = Forward(
            descriptor: order.descriptor, number: order.forward, guest: order.guest, isStream: order.isStream)
        if !order.isStream, let bound = SocketAddress.local(of: order.descriptor) { socket.bound = bound }
        guard let handle = forwards.insert(socket) else {
            counters.add(.forwardsRefused)
            // Better refused by the kernel than accepted and forgotten.
            if order.isStream { Listener.rest(order.descriptor) }
            return
        }
        if order.isStream { return armAccept(handle) }
        // What leads to the guest's address of the other family cannot send in that family.
        if socket.bound.address.isIPv4 == order.guest.address.isIPv4 {
            stack.datagramPortPublished(handle.slot, bound: socket.bound.address, guest: order.guest)
        }
        armForwardedReceive(handle)
    }

    private mutating func armAccept(_ handle: Handle) {
        guard let socket = forwards.pointer(to: handle) else { return }
        socket.pointee.isArmed = true
        let entry = reactor.ring.prepare()
        ringway_prepare_accept_multishot(entry, socket.pointee.descriptor, shared.features.acceptsPollFirst)
        entry.pointee.user_data = Operation.accept.tag(handle).rawValue
    }

    mutating func armForwardedReceive(_ handle: Handle) {
        guard let socket = forwards.pointer(to: handle) else { return }
        socket.pointee.isArmed = true
        armDatagramReceive(socket.pointee.descriptor, Operation.forwardedReceive.tag(handle))
    }

    // MARK: Ending

    /// Ends some of the listeners of these forwards; answers where to go on when there may be more.
    ///
    /// A socket is given back when the kernel has given the operation on it back: until then its port could not be freed,
    /// and what it accepts would be lost.
    mutating func endListeners(of numbers: Set<UInt32>, from first: UInt32) -> UInt32? {
        var budget = ShardCommand.sockets
        var slot = first
        while slot < forwards.highWater {
            if let socket = forwards.pointer(inSlot: slot), !socket.pointee.isEnding,
                numbers.contains(socket.pointee.number)
            {
                if budget == 0 { return slot }
                budget -= 1
                socket.pointee.isEnding = true
                endingForwards += 1
                if !socket.pointee.isStream { stack.listenerClosed(slot, guest: socket.pointee.guest) }
                if socket.pointee.isArmed {
                    cancel(forwards.tag(ofSlot: slot, socket.pointee))
                } else {
                    listenerEnded(slot)
                }
            }
            slot += 1
        }
        return nil
    }

    private mutating func listenerEnded(_ slot: UInt32) {
        guard let socket = forwards.pointer(inSlot: slot) else { return }
        // Datagrams that are queued for it go first: they know it by a number, which something else may have next.
        if !socket.pointee.isStream { reactor.ring.submitAll() }
        reactor.ring.closing(socket.pointee.descriptor)
        forwards.remove(slot: slot)
        endingForwards -= 1
        tellEndedListeners()
    }

    /// Tells those who wait for it that all listeners that were to end have.
    mutating func tellEndedListeners() {
        guard endingForwards == 0, !awaitedEnds.isEmpty else { return }
        for ended in awaitedEnds { ended.send() }
        awaitedEnds = []
    }

    // MARK: TCP

    mutating func accepted(_ completion: Completion) {
        let handle = completion.tag.handle
        guard let socket = forwards.pointer(to: handle) else {
            if completion.result >= 0 { Endpoint.close(completion.result, reset: true) }
            return
        }
        let listener = socket.pointee
        socket.pointee.isArmed = completion.hasMore
        if listener.isEnding {
            if completion.result >= 0 { Endpoint.close(completion.result, reset: true) }
            if !completion.hasMore { listenerEnded(handle.slot) }
            return
        }
        if completion.result >= 0 {
            placeAccepted(completion.result, listener.guest)
            perform()
        } else if completion.result == -EMFILE || completion.result == -ENFILE {
            counters.add(.descriptorsExhausted)
            if !turnAway(listener.descriptor), !completion.hasMore {
                socket.pointee.isDeferred = true
                hasDeferredListeners = true
                return
            }
        }
        if !completion.hasMore, completion.result != -ECANCELED, completion.result != -EBADF { armAccept(handle) }
    }

    /// With no descriptor left, a client that waits would keep the listener ready for ever: it is turned away through the
    /// descriptor kept for this purpose. False when that has been lost to others, and the client waits.
    private mutating func turnAway(_ listener: Int32) -> Bool {
        if spareDescriptor < 0 { spareDescriptor = Self.openSpare() }
        guard spareDescriptor >= 0 else { return false }
        close(spareDescriptor)
        let client = accept(listener, nil, nil)
        let isGone = client < 0 && errno == EAGAIN
        if client >= 0 { Endpoint.close(client, reset: true) }
        spareDescriptor = Self.openSpare()
        return client >= 0 || isGone
    }

    static func openSpare() -> Int32 { open("/dev/null", O_RDONLY | O_CLOEXEC) }

    /// Has listeners accept again that had no descriptor to do so.
    mutating func retryDeferredListeners() {
        guard hasDeferredListeners else { return }
        hasDeferredListeners = false
        for slot in 0..<forwards.highWater {
            guard let socket = forwards.pointer(inSlot: slot), socket.pointee.isDeferred else { continue }
            socket.pointee.isDeferred = false
            armAccept(forwards.handle(ofSlot: slot))
        }
    }

    /// An accepted client moves to the shard that owns its flow.
    private mutating func placeAccepted(_ descriptor: Int32, _ guest: TransportAddress) {
        guard admit() == .granted else {
            counters.add(.descriptorsExhausted)
            counters.add(.forwardsRefused)
            return Endpoint.close(descriptor, reset: true)
        }
        guard let peer = SocketAddress.peer(of: descriptor) else { return turnAway(client: descriptor) }
        StreamSocket.prepare(descriptor)
        placeClient(descriptor, client: peer, port: guest.port)
    }

    /// Chooses the guest's address that a client is led to, and gives the client to the shard that owns the flow.
    mutating func placeClient(_ descriptor: Int32, client: TransportAddress, port: UInt16) {
        let target = shared.addresses.target(ipv4: client.address.isIPv4, now: reactor.now)
        let guest = TransportAddress(address: target, port: port)
        let key = FlowKey(
            client: stack.shownToGuest(client.address, by: guest.address), client.port, of: guest)
        let owner = key.owner(shards: shared.network.count, secret: shared.configuration.stack.secret)
        guard owner != index else { return takeAccepted(descriptor, client: client, guest: guest) }
        var message = ShardMessage(.accepted)
        message.descriptor = descriptor
        message.client = client
        message.guest = guest
        if !post(message, to: owner) {
            counters.add(.handOverRefused)
            turnAway(client: descriptor)
        }
    }

    /// A client whose flow belongs to this shard goes around the link where it can.
    mutating func takeAccepted(_ descriptor: Int32, client: TransportAddress, guest: TransportAddress) {
        if !openSpliced(descriptor, client: client, server: guest) {
            takeClient(descriptor, client: client, guest: guest)
        }
    }

    // MARK: UDP

    mutating func forwardedReceived(_ completion: Completion) {
        let handle = completion.tag.handle
        var lease = Lease.none
        if completion.hasBuffer { lease = hostBuffers.take(completion.bufferIdentifier) }
        guard let socket = forwards.pointer(to: handle) else {
            if !lease.isNone { pool.pointee.release(lease) }
            return
        }
        let listener = socket.pointee
        socket.pointee.isArmed = completion.hasMore
        if listener.isEnding {
            if !lease.isNone { pool.pointee.release(lease) }
            if !completion.hasMore { listenerEnded(handle.slot) }
            return
        }
        if completion.result >= 0, !lease.isNone {
            doubt(socket)
            takeForwarded(lease, octets: Int(completion.result), listener, handle.slot)
        } else if !lease.isNone {
            pool.pointee.release(lease)
        } else if completion.result < 0, completion.result != -ENOBUFS, completion.result != -ECANCELED {
            _ = drainForwardedErrors(listener)
        }
        perform()
        guard !completion.hasMore, completion.result != -ECANCELED, let socket = forwards.pointer(to: handle) else {
            return
        }
        if completion.result == -ENOBUFS {
            socket.pointee.isStarved = true
            hasStarvedDatagrams = true
        } else {
            armForwardedReceive(handle)
        }
    }

    /// Takes the lease.
    private mutating func takeForwarded(
        _ lease: Lease, octets: Int, _ listener: Forward, _ slot: UInt32
    ) {
        guard let datagram = readDatagram(lease, octets: octets) else { return pool.pointee.release(lease) }
        let local =
            datagram.notes.has_local
            ? IPAddress(high: datagram.notes.local_high, low: datagram.notes.local_low) : datagram.sender.address
        stack.forwardedDatagramReceived(
            listener: slot, from: datagram.sender, to: local, guest: listener.guest, lease, offset: datagram.offset,
            length: datagram.length, segmentSize: datagram.segmentSize, marks: datagram.marks)
    }

    /// Reads a listener's queue of errors: they are about what the guest sent to the port's peers. Answers how many there
    /// were.
    mutating func drainForwardedErrors(_ listener: Forward) -> Int {
        let guest = listener.guest
        return drainErrors(listener.descriptor) { stack, error, payload in
            guard let mapping = stack.forwardedMapping(of: error.destination, guest: guest) else { return }
            Self.report(error, payload, of: mapping, to: &stack)
        }
    }

    /// The guest's answer to a client of a published port leaves through the listener, from the address that the client
    /// spoke to. Takes the effect's lease.
    mutating func sendForwardedDatagram(_ effect: Effect) {
        let mapping = effect.handle
        guard let forwarded = stack.forwardedMapping(mapping),
            let socket = forwards.pointer(inSlot: forwarded.listener)
        else { return pool.pointee.release(effect.lease) }
        let descriptor = socket.pointee.descriptor
        forbidFragments(
            effect, &socket.pointee.fragmentation, descriptor, ipv4: forwarded.client.address.isIPv4)
        prepareDatagram(
            effect, descriptor: descriptor, source: forwarded.local.isUnspecified ? nil : forwarded.local,
            canSegment: true)
    }

    /// Nothing listens where a client's datagram was to go, and the client is told so, where the host lets us.
    mutating func refuseDatagram(_ effect: Effect) {
        let mapping = effect.handle
        guard let forwarded = stack.forwardedMapping(mapping),
            let socket = forwards.pointer(inSlot: forwarded.listener)
        else { return }
        let address = forwarded.local.isUnspecified ? socket.pointee.bound.address : forwarded.local
        let isSent = refusals.send(
            to: forwarded.client, about: TransportAddress(address: address, port: socket.pointee.bound.port))
        counters.add(isSent ? .udpRefusalsPassedOn : .udpRefusalsNotPassedOn)
    }
}

extension Slab where Element == Forward {
    /// What the operation under way on a listener is tagged with.
    func tag(ofSlot slot: UInt32, _ socket: Forward) -> OperationTag {
        (socket.isStream ? Operation.accept : Operation.forwardedReceive).tag(handle(ofSlot: slot))
    }
}
