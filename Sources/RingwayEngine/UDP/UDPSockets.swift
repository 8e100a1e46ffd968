internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem

/// The host sockets of a guest's UDP mappings.
///
/// ## Theory of operation
///
/// A mapping has one unconnected socket, opened with its first datagram. The table of sockets uses the slots of the
/// stack's mappings. A multishot receive stays armed on each socket as long as there are buffers. Consecutive
/// datagrams within a turn are joined to *trains*, each sent as one message or frame: toward the host by
/// `DatagramSender`, toward the guest in `gathered`. Errors in the socket's error queue, and errors that sends
/// return, reach the guest as ICMP.
struct UDPSockets: ~Copyable {
    enum Operation: UInt8, ShardOperation {
        /// A multishot receive of a mapping's socket.
        case receive
        /// The send of a message; the operation's tag has the message's handle in `ShardCore.messages`.
        case send

        static var owner: OperationOwner { .udp }
    }

    private let shared: EngineShared
    private let counters: Counters
    private var sockets: SlotTable<DatagramSocket>
    private var sender: DatagramSender
    private var gathered = GatheredTrain()
    /// Sockets whose receive found no buffer, longest wait first.
    private var starved: SlotList

    init(shared: EngineShared, counters: Counters) throws(MemoryFailure) {
        self.shared = shared
        self.counters = counters
        sockets = try SlotTable(capacity: max(16, shared.configuration.stack.limits.udpMappings))
        starved = sockets.list(\.starvedLinks)
        sender = DatagramSender(Operation.send, counters: counters)
    }

    /// Handles a completion of one of the component's operations.
    @inline(__always)
    mutating func complete(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        switch Operation(completion.tag) {
        case .receive: received(completion, &core, &stack)
        case .send: sent(completion, &core, &stack)
        case nil: break
        }
    }

    @inline(__always)
    private func socket(_ mapping: Handle) -> UnsafeMutablePointer<DatagramSocket>? {
        guard Int(mapping.slot) < sockets.capacity, let socket = sockets.pointer(mapping.slot),
            socket.pointee.flow == mapping
        else { return nil }
        return socket
    }

    var count: Int { sockets.count }

    // MARK: Toward the host

    /// Sends a datagram from its mapping's socket. Takes ownership of the datagram's lease.
    mutating func send(_ datagram: OutgoingDatagram, _ core: inout ShardCore, _ stack: inout Stack) {
        guard let socket = openSocket(datagram, &core, &stack) else { return core.release(datagram.lease) }
        socket.pointee.fragmentation.forbid(
            datagram.dontFragment, on: socket.pointee.descriptor, ipv4: socket.pointee.isIPv4, &core)
        sender.send(
            datagram, on: socket.pointee.descriptor, canSegment: !socket.pointee.cannotSegment, &core)
    }

    /// The socket of a datagram's mapping, opened with its first datagram.
    private mutating func openSocket(
        _ datagram: OutgoingDatagram, _ core: inout ShardCore, _ stack: inout Stack
    ) -> UnsafeMutablePointer<DatagramSocket>? {
        let mapping = datagram.flow
        if let socket = sockets.pointer(mapping.slot) {
            return socket.pointee.flow == mapping ? socket : nil
        }
        guard let ipv4 = stack.mappingIsIPv4(mapping) else { return nil }
        guard isAdmitted(datagram, &core, &stack) else { return nil }
        let descriptor = DatagramSocket.openUDP(ipv4: ipv4)
        guard descriptor >= 0 else {
            shared.descriptors.release()
            stack.datagramSocketFailed(mapping)
            return nil
        }
        // The socket is bound now, because a receive on a socket without a port would find nothing.
        var any = SocketAddress(
            TransportAddress(
                address: ipv4 ? IPAddress(IPv4Address(rawValue: 0)) : IPAddress(high: 0, low: 0), port: 0))
        let length = any.length
        _ = withUnsafeMutablePointer(to: &any) { HostCalls.bind(descriptor, SocketAddress.pointer(to: $0), length) }
        core.chargeSocket()
        counters.add(.hostSockets)
        let socket = sockets.insert(
            DatagramSocket(descriptor: descriptor, flow: mapping, isIPv4: ipv4), mapping.slot)
        arm(socket, &core)
        return socket
    }

    /// Counts the descriptor of a new mapping. If the guest's share is used up, the oldest flow without a reply is
    /// ended, or else the first mapping in `EvictionOrder`. If none can be ended, the guest gets an ICMP error.
    /// Returns false if there is no descriptor; the new mapping is then ended.
    private mutating func isAdmitted(
        _ datagram: OutgoingDatagram, _ core: inout ShardCore, _ stack: inout Stack
    ) -> Bool {
        let mapping = datagram.flow
        let grant = shared.descriptors.admit(&stack, sparing: mapping)
        if grant == .granted { return true }
        if grant == .beyondShare {
            if stack.endOldestMapping(sparing: mapping) {
                shared.descriptors.take(1)
                return true
            }
            stack.datagramFailed(
                mapping, to: datagram.target, .administrativelyProhibited, from: nil,
                payload: UnsafeRawBufferPointer(datagram.payload(in: core.space)))
        }
        stack.datagramSocketFailed(mapping)
        return false
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
    /// the guest gets the ICMP error that corresponds to `error`, if there is one and the mapping still exists.
    private mutating func isSentAgain(
        _ message: UnsafeMutablePointer<SendMessage>, _ place: Handle, _ error: Int32, _ core: inout ShardCore,
        _ stack: inout Stack
    ) -> Bool {
        let mapping = message.pointee.owner
        guard let socket = self.socket(mapping) else { return false }
        let descriptor = socket.pointee.descriptor
        let dontFragment = message.pointee.dontFragment
        let queued = Self.reportErrors(of: descriptor, mapping, &stack)
        switch sender.retry(message, place, after: error, queuedErrors: queued, on: descriptor, &core) {
        case .retried: return true
        case .separated:
            // If the guest forbids fragmentation and the datagrams were too long, it will send smaller ones, which
            // can form trains again. Otherwise trains of this socket would fail again, so it sends no more trains.
            if !dontFragment || error != EMSGSIZE && error != EINVAL { socket.pointee.cannotSegment = true }
            return true
        case .failed(let pathMTU):
            DatagramSender.report(message, error, pathMTU: pathMTU, &stack)
            return false
        }
    }

    /// Passes errors in the queue of a mapping's socket to the stack; returns their number.
    private static func reportErrors(of descriptor: Int32, _ mapping: Handle, _ stack: inout Stack) -> Int {
        ErrorQueue.drain(descriptor) { error, payload in
            guard let reason = ICMPError.Reason(error) else { return }
            stack.datagramFailed(mapping, to: error.destination, reason, from: error.offender, payload: payload)
        }
    }

    /// Closes the socket of a mapping that has ended.
    mutating func close(_ mapping: Handle, _ core: inout ShardCore) {
        guard let socket = self.socket(mapping) else { return }
        // Queued sends refer to the socket by its descriptor number, which may be reused, so they are submitted first.
        core.reactor.ring.submitAll()
        switch socket.pointee.receive {
        case .armed: core.cancel(Operation.receive.tag(mapping))
        case .starved: starved.remove(mapping.slot)
        case .idle: break
        }
        // Sends in flight keep the file open until they complete. Their errors, and the cancelled receive, are then
        // ignored, because the mapping's handle is stale.
        core.close(socket.pointee.descriptor, reset: false)
        sockets.remove(mapping.slot)
        counters.add(.hostSockets, -1)
        shared.descriptors.release()
    }

    // MARK: Toward the guest

    private mutating func arm(_ socket: UnsafeMutablePointer<DatagramSocket>, _ core: inout ShardCore) {
        socket.pointee.receive = .armed
        core.receiveDatagrams(socket.pointee.descriptor, Operation.receive.tag(socket.pointee.flow))
    }

    private mutating func received(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        let mapping = completion.tag.handle
        let lease = core.takeBuffer(completion)
        guard let socket = self.socket(mapping) else { return core.releaseAny(lease) }
        if completion.result >= 0, !lease.isNone {
            if core.isBeyondShare {
                core.countStarvedReceive()
                core.release(lease)
            } else if let datagram = ReceivedDatagram.read(lease, bytes: Int(completion.result), &core) {
                gather(datagram, lease, for: socket, &core, &stack)
            } else {
                core.release(lease)
            }
        } else if !lease.isNone {
            core.release(lease)
        } else if completion.result == -ENOBUFS {
            core.countStarvedReceive()
        } else if completion.result < 0 {
            _ = Self.reportErrors(of: socket.pointee.descriptor, mapping, &stack)
        }
        guard !completion.hasMore else { return }
        if completion.result == -ENOBUFS {
            starve(socket)
        } else {
            arm(socket, &core)
        }
    }

    /// Whether receives wait for buffers.
    var waitsForBuffers: Bool {
        mutating get { !starved.isEmpty }
    }

    private mutating func starve(_ socket: UnsafeMutablePointer<DatagramSocket>) {
        socket.pointee.receive = .starved
        starved.append(socket.pointee.flow.slot)
    }

    /// Re-arms receives that had found no buffer.
    ///
    /// - Parameter budget: the most receives to re-arm; reduced by the number of those re-armed.
    mutating func retryStarved(_ budget: inout Int, _ core: inout ShardCore) {
        while budget > 0, let slot = starved.popFirst(), let socket = sockets.pointer(slot) {
            budget -= 1
            arm(socket, &core)
        }
    }

    /// Gathers a datagram, or passes it to the stack if nothing may be joined to it. Takes ownership of the lease.
    private mutating func gather(
        _ datagram: ReceivedDatagram, _ lease: Lease, for socket: UnsafeMutablePointer<DatagramSocket>,
        _ core: inout ShardCore, _ stack: inout Stack
    ) {
        let mapping = socket.pointee.flow
        let marks = socket.pointee.marksReport.marks(
            of: datagram, on: socket.pointee.descriptor, ipv4: socket.pointee.isIPv4, now: core.now)
        if !gathered.isEmpty {
            if gathered.join(datagram, marks, lease, for: mapping, core.space) {
                counters.add(.udpJoinedToGuest)
                return core.release(lease)
            }
            endGathering(&stack)
        }
        let most = shared.configuration.stack.plan.mtu - (datagram.sender.address.isIPv4 ? 28 : 48)
        if datagram.segmentSize == 0, datagram.length > 0, datagram.length <= most, stack.takesTrains {
            gathered = GatheredTrain(datagram, marks, lease, for: mapping)
        } else {
            stack.datagramReceived(
                mapping, from: datagram.sender, lease, offset: datagram.offset, length: datagram.length,
                segmentSize: datagram.segmentSize, marks: marks)
        }
    }

    /// Passes the gathered train to the stack.
    mutating func endGathering(_ stack: inout Stack) {
        guard !gathered.isEmpty else { return }
        let train = gathered
        gathered = GatheredTrain()
        stack.datagramReceived(
            train.mapping, from: train.sender, train.lease, offset: train.offset, length: train.length,
            segmentSize: train.segmentSize, marks: train.marks)
    }

    // MARK: The end

    /// Releases the gathered datagrams.
    mutating func discardGathered(_ core: inout ShardCore) {
        guard !gathered.isEmpty else { return }
        core.release(gathered.lease)
        gathered = GatheredTrain()
    }

    /// Closes the sockets in at most `count` slots from `cursor` on, at the end of the guest; true when no slot is
    /// left.
    mutating func close(_ count: Int, from cursor: inout UInt32, _ core: inout ShardCore) -> Bool {
        discardGathered(&core)
        let end = UInt32(min(sockets.capacity, Int(cursor) + count))
        while cursor < end {
            if let socket = sockets.pointer(cursor) { close(socket.pointee.flow, &core) }
            cursor += 1
        }
        return Int(cursor) == sockets.capacity
    }

    /// Closes everything immediately, after the ring has failed.
    mutating func closeDescriptors() {
        for slot in 0..<UInt32(sockets.capacity) {
            guard let socket = sockets.pointer(slot) else { continue }
            Endpoint.close(socket.pointee.descriptor, reset: false)
            shared.descriptors.release()
        }
    }
}
