internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// A guest's listeners of published ports on one shard, TCP and UDP.
///
/// ## Theory of operation
///
/// The control plane opens the sockets and lends them (`Engine.listen`). Each has one multishot operation armed, an
/// accept or a receive. An accepted client is returned to the caller, which decides how it reaches the guest. Datagrams
/// go to the stack, which keeps a mapping for each client; the guest's replies leave through the listener.
///
/// **Ending.** A socket is returned to the control plane when its operation has completed. Before that, closing it
/// would not free the port, and the operation could accept clients that are for the socket's next guest. `awaitEnds`
/// replies when all ending listeners have ended.
///
/// **Shortage.** If a client waits and no descriptor is free, accept would fail again and again. The client is
/// therefore reset, by means of a reserved descriptor (`SpareDescriptor`). If that descriptor was lost, too, or if the
/// kernel lacks memory, accepting pauses. After an error that will not pass, accept is not armed again.
struct PortListeners: ~Copyable {
    enum Operation: UInt8, ShardOperation {
        /// The multishot accept of a TCP listener.
        case accept
        /// The multishot receive of a UDP listener.
        case receive
        /// The send of a message; the operation's tag has the message's handle in `ShardCore.messages`.
        case send

        static var owner: OperationOwner { .ports }
    }

    private let shared: EngineShared
    private let counters: Counters
    private var listeners: Slab<PortListener>
    /// The number of listeners that are ending, and the replies to send when it is zero.
    private var endingCount = 0
    private var awaitedEnds: [ShardReply] = []
    /// UDP listeners whose receive found no buffer.
    private var starved: SlotList
    /// TCP listeners that wait for a descriptor.
    private var deferred: SlotList
    /// Resets clients when there is no free descriptor.
    private var spare = SpareDescriptor()
    /// Sends the guest's datagrams to clients.
    private var sender: DatagramSender
    /// Informs clients of UDP ports that the port is closed.
    private var refusals = RefusalSocket()

    init(shared: EngineShared, counters: Counters) throws(MemoryFailure) {
        let listeners = try Slab<PortListener>(capacity: 65_536)
        self.shared = shared
        self.counters = counters
        starved = SlotList(of: listeners.base, offset: MemoryLayout<PortListener>.offset(of: \.links))
        deferred = SlotList(of: listeners.base, offset: MemoryLayout<PortListener>.offset(of: \.links))
        self.listeners = listeners
        sender = DatagramSender(Operation.send, counters: counters)
    }

    /// Handles a completion of one of the component's operations. Returns the client if one was accepted.
    mutating func complete(
        _ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack
    ) -> PortClient? {
        switch Operation(completion.tag) {
        case .accept: return accepted(completion, &core, &stack)
        case .receive: received(completion, &core, &stack)
        case .send: sent(completion, &core, &stack)
        case nil: break
        }
        return nil
    }

    var count: Int { listeners.count }

    // MARK: Listening

    /// Listens on a socket lent by the control plane.
    mutating func add(_ socket: ListeningSocket, _ core: inout ShardCore, _ stack: inout Stack) {
        var listener = PortListener(
            descriptor: socket.descriptor, number: socket.forward, guest: socket.guest, isStream: socket.isStream)
        if !socket.isStream, let bound = SocketAddress.local(of: socket.descriptor) { listener.bound = bound }
        guard let handle = listeners.insert(listener), let place = listeners.pointer(to: handle) else {
            counters.add(.forwardsRefused)
            // No shard accepts clients from this socket, so it stops listening, and the kernel refuses clients.
            if socket.isStream { Listener.rest(socket.descriptor) }
            return
        }
        // All datagrams that the guest sends from this port leave through the listener, even those to hosts that are
        // no clients. The socket can send them only if its address family is that of the guest's address.
        if !socket.isStream, listener.bound.address.isIPv4 == socket.guest.address.isIPv4 {
            stack.datagramPortPublished(handle.slot, bound: listener.bound.address, guest: socket.guest)
        }
        arm(place, handle, &core)
    }

    private mutating func arm(
        _ listener: UnsafeMutablePointer<PortListener>, _ handle: Handle, _ core: inout ShardCore
    ) {
        listener.pointee.state = .armed
        if listener.pointee.isStream {
            core.reactor.ring.acceptMultishot(
                listener.pointee.descriptor, pollsFirst: shared.features.acceptsPollFirst,
                Operation.accept.tag(handle))
        } else {
            core.receiveDatagrams(listener.pointee.descriptor, Operation.receive.tag(handle))
        }
    }

    // MARK: Ending

    /// Ends at most `ShardCommand.sockets` listeners of these forwards, from slot `first` on. Returns the slot to
    /// continue from; `nil` if no listener is left to end.
    mutating func end(
        of numbers: Set<UInt32>, from first: UInt32, _ core: inout ShardCore, _ stack: inout Stack
    ) -> UInt32? {
        var budget = ShardCommand.sockets
        var slot = first
        while slot < listeners.highWater {
            if let listener = listeners.pointer(inSlot: slot), listener.pointee.state != .ending,
                numbers.contains(listener.pointee.number)
            {
                if budget == 0 { return slot }
                budget -= 1
                end(slot, listener, &core, &stack)
            }
            slot += 1
        }
        return nil
    }

    private mutating func end(
        _ slot: UInt32, _ listener: UnsafeMutablePointer<PortListener>, _ core: inout ShardCore, _ stack: inout Stack
    ) {
        let wasArmed = listener.pointee.state == .armed
        if listener.pointee.state == .starved { starved.remove(slot) }
        if listener.pointee.state == .deferred { deferred.remove(slot) }
        listener.pointee.state = .ending
        endingCount += 1
        if !listener.pointee.isStream { stack.listenerClosed(slot, guest: listener.pointee.guest) }
        if wasArmed { core.cancel(tag(ofSlot: slot, listener)) } else { ended(slot, &core) }
    }

    /// Replies when all ending listeners have ended.
    mutating func awaitEnds(_ reply: ShardReply) {
        awaitedEnds.append(reply)
        replyToEnds()
    }

    /// The tag of the operation on a listener.
    private func tag(ofSlot slot: UInt32, _ listener: UnsafeMutablePointer<PortListener>) -> OperationTag {
        let operation: Operation = listener.pointee.isStream ? .accept : .receive
        return operation.tag(listeners.handle(ofSlot: slot))
    }

    private mutating func ended(_ slot: UInt32, _ core: inout ShardCore) {
        guard let listener = listeners.pointer(inSlot: slot) else { return }
        // Queued datagrams are submitted first: they refer to the socket by its number, which may be reused.
        if !listener.pointee.isStream { core.reactor.ring.submitAll() }
        core.reactor.ring.closing(listener.pointee.descriptor)
        listeners.remove(slot: slot)
        endingCount -= 1
        replyToEnds()
    }

    private mutating func replyToEnds() {
        guard endingCount == 0, !awaitedEnds.isEmpty else { return }
        for reply in awaitedEnds { reply.send() }
        awaitedEnds = []
    }

    /// Ends the listeners in the next `count` slots, at the end of the guest; true when all slots have been visited.
    mutating func close(
        _ count: Int, from cursor: inout UInt32, _ core: inout ShardCore, _ stack: inout Stack
    ) -> Bool {
        let last = min(listeners.highWater, cursor + UInt32(count))
        while cursor < last {
            if let listener = listeners.pointer(inSlot: cursor), listener.pointee.state != .ending {
                end(cursor, listener, &core, &stack)
            }
            cursor += 1
        }
        return cursor == listeners.highWater
    }

    /// Replies to all callers of `awaitEnds`, after the ring has failed. The control plane closes the sockets.
    mutating func closeDescriptors() {
        for reply in awaitedEnds { reply.send() }
        awaitedEnds = []
    }

    // MARK: TCP

    private mutating func accepted(
        _ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack
    ) -> PortClient? {
        let handle = completion.tag.handle
        guard let listener = listeners.pointer(to: handle) else {
            if completion.result >= 0 { Endpoint.close(completion.result, reset: true) }
            return nil
        }
        if listener.pointee.state == .ending {
            if completion.result >= 0 { Endpoint.close(completion.result, reset: true) }
            if !completion.hasMore { ended(handle.slot, &core) }
            return nil
        }
        if !completion.hasMore { listener.pointee.state = .idle }
        var client: PortClient?
        var mustPause = false
        if completion.result >= 0 {
            client = admit(completion.result, listener.pointee.guest, &stack)
        } else {
            switch AcceptFailure(errno: -completion.result) {
            case .passing: break
            case .descriptors:
                counters.add(.descriptorsExhausted)
                mustPause = !spare.resetClient(of: listener.pointee.descriptor)
            case .memory: mustPause = true
            case .lasting:
                counters.add(.forwardsRefused)
                return nil
            case .cancelled: return nil
            }
        }
        guard !completion.hasMore else { return client }
        if mustPause {
            listener.pointee.state = .deferred
            deferred.append(handle.slot)
        } else {
            arm(listener, handle, &core)
        }
        return client
    }

    /// Counts an accepted client's descriptor in the guest's share. If that is refused, or the client's address
    /// cannot be read, resets the client and returns `nil`.
    private func admit(_ descriptor: Int32, _ guest: TransportAddress, _ stack: inout Stack) -> PortClient? {
        guard shared.descriptors.admit(&stack) == .granted else {
            counters.add(.descriptorsExhausted)
            counters.add(.forwardsRefused)
            Endpoint.close(descriptor, reset: true)
            return nil
        }
        guard let address = SocketAddress.peer(of: descriptor) else {
            Endpoint.close(descriptor, reset: true)
            shared.descriptors.release()
            return nil
        }
        StreamSocket.prepare(descriptor)
        return PortClient(descriptor: descriptor, address: address, guest: guest)
    }

    /// Whether paused accepts must be retried.
    var hasDeferredAccepts: Bool {
        mutating get { !deferred.isEmpty }
    }

    /// Re-arms accept on listeners that wait for a descriptor, at most `ShardCommand.sockets` of them in a turn.
    mutating func retryDeferred(_ core: inout ShardCore) {
        for _ in 0..<ShardCommand.sockets {
            guard let slot = deferred.popFirst() else { return }
            rearm(slot, &core)
        }
    }

    /// Whether receives wait for buffers.
    var waitsForBuffers: Bool {
        mutating get { !starved.isEmpty }
    }

    /// Re-arms receives that had found no buffer, at most `most` of them.
    mutating func retryStarved(upTo most: Int, _ core: inout ShardCore) {
        for _ in 0..<most {
            guard let slot = starved.popFirst() else { return }
            rearm(slot, &core)
        }
    }

    private mutating func rearm(_ slot: UInt32, _ core: inout ShardCore) {
        guard let listener = listeners.pointer(inSlot: slot) else { return }
        arm(listener, listeners.handle(ofSlot: slot), &core)
    }

    // MARK: UDP

    private mutating func received(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        let handle = completion.tag.handle
        let lease = core.takeBuffer(completion)
        guard let listener = listeners.pointer(to: handle) else { return core.releaseAny(lease) }
        if listener.pointee.state == .ending {
            core.releaseAny(lease)
            if !completion.hasMore { ended(handle.slot, &core) }
            return
        }
        if !completion.hasMore { listener.pointee.state = .idle }
        if completion.result >= 0, !lease.isNone {
            askForGuest(listener, &core, &stack)
            take(lease, bytes: Int(completion.result), listener, handle.slot, &core, &stack)
        } else if !lease.isNone {
            core.release(lease)
        } else if completion.result < 0, completion.result != -ENOBUFS, completion.result != -ECANCELED {
            _ = listener.pointee.reportErrors(&stack)
        }
        guard !completion.hasMore, completion.result != -ECANCELED else { return }
        if completion.result == -ENOBUFS {
            listener.pointee.state = .starved
            starved.append(handle.slot)
        } else {
            arm(listener, handle, &core)
        }
    }

    /// Takes ownership of the lease.
    private func take(
        _ lease: Lease, bytes: Int, _ listener: UnsafeMutablePointer<PortListener>, _ slot: UInt32,
        _ core: inout ShardCore, _ stack: inout Stack
    ) {
        guard let datagram = ReceivedDatagram.read(lease, bytes: bytes, &core) else { return core.release(lease) }
        stack.forwardedDatagramReceived(
            listener: slot, from: datagram.sender, to: datagram.local ?? datagram.sender.address,
            guest: listener.pointee.guest, lease, offset: datagram.offset, length: datagram.length,
            segmentSize: datagram.segmentSize, marks: datagram.reportedMarks ?? DatagramMarks())
    }

    /// Checks periodically that the guest has the address to which datagrams are sent, because UDP does not show
    /// whether the guest has it.
    private func askForGuest(
        _ listener: UnsafeMutablePointer<PortListener>, _ core: inout ShardCore, _ stack: inout Stack
    ) {
        guard listener.pointee.doubtAt <= core.now else { return }
        listener.pointee.doubtAt = core.now &+ PortListener.doubtInterval
        let address = listener.pointee.guest.address
        switch shared.addresses.sending(to: address, now: core.now) {
        case .none: break
        case .ask: stack.solicitGuest(for: address)
        case .unanswered: shared.guestSilent(address, now: core.now)
        }
    }

    /// Sends the guest's datagram to a client of a published port, through the listener and from the address that the
    /// client sent to. Takes ownership of the datagram's lease.
    mutating func send(_ datagram: OutgoingDatagram, _ core: inout ShardCore, _ stack: inout Stack) {
        guard let forwarded = stack.forwardedMapping(datagram.flow),
            let listener = listeners.pointer(inSlot: forwarded.listener)
        else { return core.release(datagram.lease) }
        let descriptor = listener.pointee.descriptor
        listener.pointee.fragmentation.forbid(
            datagram.dontFragment, on: descriptor, ipv4: forwarded.client.address.isIPv4, &core)
        sender.send(
            datagram, on: descriptor, from: forwarded.local.isUnspecified ? nil : forwarded.local, canSegment: true,
            &core)
    }

    private mutating func sent(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        let place = completion.tag.handle
        guard let message = core.messages.pointer(to: place) else { return }
        if completion.result < 0 {
            if isSentAgain(message, place, -completion.result, &core, &stack) { return }
            counters.add(.udpSendFailed)
        }
        core.releaseMessage(place.slot)
    }

    /// Handles a message that the kernel refused: true if it was sent again, whole or as single datagrams. Otherwise
    /// the error is passed to the stack, if the mapping still exists.
    private func isSentAgain(
        _ message: UnsafeMutablePointer<SendMessage>, _ place: Handle, _ error: Int32, _ core: inout ShardCore,
        _ stack: inout Stack
    ) -> Bool {
        guard let forwarded = stack.forwardedMapping(message.pointee.owner),
            let listener = listeners.pointer(inSlot: forwarded.listener)
        else { return false }
        let queued = listener.pointee.reportErrors(&stack)
        switch sender.retry(
            message, place, after: error, queuedErrors: queued, on: listener.pointee.descriptor, &core)
        {
        case .retried, .separated: return true
        case .failed(let pathMTU):
            DatagramSender.report(message, error, pathMTU: pathMTU, &stack)
            return false
        }
    }

    /// Sends a client ICMP port unreachable, if the process may open a raw socket (`RefusalSocket`).
    mutating func refuse(_ mapping: Handle, _ stack: inout Stack) {
        guard let forwarded = stack.forwardedMapping(mapping),
            let listener = listeners.pointer(inSlot: forwarded.listener)
        else { return }
        let bound = listener.pointee.bound
        let address = forwarded.local.isUnspecified ? bound.address : forwarded.local
        let isSent = refusals.send(to: forwarded.client, about: TransportAddress(address: address, port: bound.port))
        counters.add(isSent ? .udpRefusalsPassedOn : .udpRefusalsNotPassedOn)
    }
}
