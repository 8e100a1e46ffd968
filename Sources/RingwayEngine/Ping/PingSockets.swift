internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// The host sockets of a guest's pings.
///
/// ## Theory of operation
///
/// A ping mapping is the flow of one echo identifier of the guest. Each mapping has an unprivileged ping socket if the
/// host permits that (`net.ipv4.ping_group_range`); the kernel then chooses the identifier and demultiplexes the
/// replies. Otherwise all pings of an address family share a raw socket (`RawEchoes`). Each ping then has its own
/// identifier, by which replies and errors are assigned to it.
struct PingSockets: ~Copyable {
    enum Operation: UInt8, ShardOperation {
        /// A multishot receive on a ping's own socket.
        case receive
        /// A multishot receive on a raw socket: of IPv4 if the tag's index is one, of IPv6 if it is zero.
        case rawReceive
        /// The send of a message; the operation's tag has the message's handle in `ShardCore.messages`.
        case send

        static var owner: OperationOwner { .ping }
    }

    private let shared: EngineShared
    private let counters: Counters
    private var sockets: SlotTable<DatagramSocket>
    private var rawEchoes = RawEchoes()
    private var sender: DatagramSender
    /// Sockets whose receive found no buffer, longest wait first.
    private var starved: SlotList

    init(shared: EngineShared, counters: Counters) throws(MemoryFailure) {
        self.shared = shared
        self.counters = counters
        sockets = try SlotTable(capacity: max(1, shared.configuration.stack.limits.pingMappings))
        starved = sockets.list(\.starvedLinks)
        sender = DatagramSender(Operation.send, counters: counters)
    }

    /// Handles a completion of one of the component's operations.
    mutating func complete(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        switch Operation(completion.tag) {
        case .receive: received(completion, &core, &stack)
        case .rawReceive: rawReceived(completion, &core, &stack)
        case .send: sent(completion, &core, &stack)
        case nil: break
        }
    }

    private func socket(_ ping: Handle) -> UnsafeMutablePointer<DatagramSocket>? {
        guard Int(ping.slot) < sockets.capacity, let socket = sockets.pointer(ping.slot), socket.pointee.flow == ping
        else { return nil }
        return socket
    }

    var count: Int { sockets.count }

    // MARK: Toward the host

    /// Sends an echo request, an ICMP message. Takes ownership of its lease.
    mutating func send(_ echo: OutgoingDatagram, _ core: inout ShardCore, _ stack: inout Stack) {
        guard let socket = openSocket(echo.flow, &core, &stack) else {
            return stack.pingRefused(
                echo.flow, to: echo.target.address, echo.lease, offset: Int(echo.offset), length: Int(echo.length))
        }
        let (descriptor, isIPv4) = (socket.pointee.descriptor, socket.pointee.isIPv4)
        if socket.pointee.isRaw {
            Self.complete(echo.payload(in: core.space), identifier: socket.pointee.identifier, ipv4: isIPv4)
            rawEchoes[isIPv4: isIPv4].fragmentation.forbid(echo.dontFragment, on: descriptor, ipv4: isIPv4, &core)
        } else {
            socket.pointee.fragmentation.forbid(echo.dontFragment, on: descriptor, ipv4: isIPv4, &core)
        }
        sender.send(echo, on: descriptor, canSegment: false, &core)
    }

    /// Writes the identifier and the checksum into an echo request, as the kernel does for a ping socket. The checksum
    /// is left zero for ICMPv6, because the kernel computes it on raw ICMPv6 sockets, too.
    private static func complete(_ message: UnsafeMutableRawBufferPointer, identifier: UInt16, ipv4: Bool) {
        message.storeBytes(of: identifier.bigEndian, toByteOffset: 4, as: UInt16.self)
        message.storeBytes(of: 0, toByteOffset: 2, as: UInt16.self)
        guard ipv4 else { return }
        let sum = Checksum.finish(Checksum.partial(UnsafeRawBufferPointer(message)))
        message.storeBytes(of: sum, toByteOffset: 2, as: UInt16.self)
    }

    /// The socket of a ping, opened with its first request; `nil` on failure.
    private mutating func openSocket(
        _ ping: Handle, _ core: inout ShardCore, _ stack: inout Stack
    ) -> UnsafeMutablePointer<DatagramSocket>? {
        if let socket = sockets.pointer(ping.slot) { return socket.pointee.flow == ping ? socket : nil }
        guard let key = stack.pingKey(ping) else { return nil }
        let isIPv4 = key.guest.isIPv4
        if rawEchoes[isIPv4: isIPv4].descriptor >= 0 { return joinRawEchoes(ping, isIPv4: isIPv4, &core) }
        guard shared.descriptors.admit(&stack) == .granted else {
            counters.add(.descriptorsExhausted)
            return nil
        }
        let opened = DatagramSocket.openPing(ipv4: isIPv4)
        guard opened >= 0 else {
            shared.descriptors.release()
            // The raw socket is not counted in the guest's share of descriptors, because all pings of the family use
            // it.
            return opened == -EACCES || opened == -EPERM ? joinRawEchoes(ping, isIPv4: isIPv4, &core) : nil
        }
        core.chargeSocket()
        counters.add(.hostSockets)
        let socket = sockets.insert(DatagramSocket(descriptor: opened, flow: ping, isIPv4: isIPv4), ping.slot)
        arm(socket, &core)
        return socket
    }

    private mutating func joinRawEchoes(
        _ ping: Handle, isIPv4: Bool, _ core: inout ShardCore
    ) -> UnsafeMutablePointer<DatagramSocket>? {
        let isFirst = rawEchoes[isIPv4: isIPv4].descriptor < 0
        guard let identifier = rawEchoes.join(isIPv4: isIPv4, slot: ping.slot, pings: sockets.capacity) else {
            return nil
        }
        if isFirst {
            counters.add(.hostSockets)
            armRaw(isIPv4: isIPv4, &core)
        }
        var made = DatagramSocket(descriptor: rawEchoes[isIPv4: isIPv4].descriptor, flow: ping, isIPv4: isIPv4)
        made.isRaw = true
        made.identifier = identifier
        return sockets.insert(made, ping.slot)
    }

    private mutating func leaveRawEchoes(isIPv4: Bool, _ core: inout ShardCore) {
        rawEchoes[isIPv4: isIPv4].users -= 1
        guard rawEchoes[isIPv4: isIPv4].users == 0 else { return }
        if rawEchoes[isIPv4: isIPv4].receive == .armed { core.cancel(rawTag(isIPv4: isIPv4)) }
        core.close(rawEchoes[isIPv4: isIPv4].relinquish(), reset: false)
        counters.add(.hostSockets, -1)
    }

    private mutating func sent(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        let place = completion.tag.handle
        guard let message = core.messages.pointer(to: place) else { return }
        if completion.result < 0, let socket = self.socket(message.pointee.owner) {
            let ping = message.pointee.owner
            let queued = reportErrors(socket, &stack)
            let error = -completion.result
            let mtu = error == EMSGSIZE ? PathMTU.toward(message.pointee.target) : nil
            if queued > 0, mtu == nil, !message.pointee.hasRetried {
                // The kernel has returned the error of an earlier echo request instead of sending this one, so this
                // one is sent again. `reportErrors` has reported the error.
                message.pointee.hasRetried = true
                return sender.submit(message, place, on: socket.pointee.descriptor, &core)
            }
            if queued == 0 || mtu != nil, let reason = ICMPError.Reason(errno: error, information: mtu ?? 0) {
                let slice = message.pointee.slices[0]
                stack.pingFailed(
                    ping, to: message.pointee.target.address, reason, from: nil,
                    message: UnsafeRawBufferPointer(start: slice.iov_base, count: slice.iov_len))
            }
        }
        core.releaseMessage(place.slot)
    }

    /// Passes the errors in the queue of a ping's socket to the stack; returns their number.
    private func reportErrors(_ socket: UnsafeMutablePointer<DatagramSocket>, _ stack: inout Stack) -> Int {
        if socket.pointee.isRaw { return reportRawErrors(isIPv4: socket.pointee.isIPv4, &stack) }
        let ping = socket.pointee.flow
        return ErrorQueue.drain(socket.pointee.descriptor) { error, payload in
            guard let reason = ICMPError.Reason(error) else { return }
            stack.pingFailed(
                ping, to: error.destination.address, reason, from: error.offender, message: payload)
        }
    }

    /// Like `reportErrors`, for a raw socket. A raw socket receives the errors about all echo requests of the host,
    /// so each error is assigned to a ping by the identifier in the quoted message.
    private func reportRawErrors(isIPv4: Bool, _ stack: inout Stack) -> Int {
        ErrorQueue.drain(rawEchoes[isIPv4: isIPv4].descriptor) { error, payload in
            guard let reason = ICMPError.Reason(error), let echo = ICMPv4Header(payload),
                let ping = rawPing(of: echo.identifier, isIPv4: isIPv4)
            else { return }
            stack.pingFailed(
                ping, to: error.destination.address, reason, from: error.offender, message: payload)
        }
    }

    /// Closes the socket of a ping that has ended.
    mutating func close(_ ping: Handle, _ core: inout ShardCore) {
        guard let socket = self.socket(ping) else { return }
        // Queued sends refer to the socket by its descriptor number, which may be reused, so they are submitted
        // first.
        core.reactor.ring.submitAll()
        if socket.pointee.receive == .starved { starved.remove(ping.slot) }
        sockets.remove(ping.slot)
        if socket.pointee.isRaw { return leaveRawEchoes(isIPv4: socket.pointee.isIPv4, &core) }
        if socket.pointee.receive == .armed { core.cancel(Operation.receive.tag(ping)) }
        core.close(socket.pointee.descriptor, reset: false)
        counters.add(.hostSockets, -1)
        shared.descriptors.release()
    }

    // MARK: Toward the guest

    private func arm(_ socket: UnsafeMutablePointer<DatagramSocket>, _ core: inout ShardCore) {
        socket.pointee.receive = .armed
        core.receiveDatagrams(socket.pointee.descriptor, Operation.receive.tag(socket.pointee.flow))
    }

    private func rawTag(isIPv4: Bool) -> OperationTag {
        Operation.rawReceive.tag(
            Handle(slot: isIPv4 ? 1 : 0, generation: rawEchoes[isIPv4: isIPv4].generation))
    }

    private mutating func armRaw(isIPv4: Bool, _ core: inout ShardCore) {
        rawEchoes[isIPv4: isIPv4].receive = .armed
        core.receiveDatagrams(rawEchoes[isIPv4: isIPv4].descriptor, rawTag(isIPv4: isIPv4))
    }

    private mutating func received(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        let lease = core.takeBuffer(completion)
        guard let socket = self.socket(completion.tag.handle) else { return core.releaseAny(lease) }
        if completion.result >= 0, !lease.isNone {
            takeEcho(socket, lease, bytes: Int(completion.result), &core, &stack)
        } else {
            core.releaseAny(lease)
            if completion.result < 0, completion.result != -ENOBUFS { _ = reportErrors(socket, &stack) }
        }
        guard !completion.hasMore else { return }
        if completion.result == -ENOBUFS {
            socket.pointee.receive = .starved
            starved.append(socket.pointee.flow.slot)
        } else {
            arm(socket, &core)
        }
    }

    /// Takes ownership of the lease.
    private func takeEcho(
        _ socket: UnsafeMutablePointer<DatagramSocket>, _ lease: Lease, bytes: Int, _ core: inout ShardCore,
        _ stack: inout Stack
    ) {
        guard let datagram = ReceivedDatagram.read(lease, bytes: bytes, &core) else { return core.release(lease) }
        Self.pass(datagram, to: socket.pointee.flow, lease, hopLimit: datagram.notes.hop_limit, &stack)
    }

    /// Takes ownership of the lease.
    private static func pass(
        _ echo: ReceivedDatagram, to ping: Handle, _ lease: Lease, hopLimit: Int32, _ stack: inout Stack
    ) {
        stack.echoReceived(
            ping, from: echo.sender.address, lease, offset: echo.offset, length: echo.length,
            hopLimit: UInt8(clamping: hopLimit < 0 ? 64 : hopLimit))
    }

    private mutating func rawReceived(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        let lease = core.takeBuffer(completion)
        let isIPv4 = completion.tag.index == 1
        guard completion.tag.generation == rawEchoes[isIPv4: isIPv4].generation,
            rawEchoes[isIPv4: isIPv4].descriptor >= 0
        else { return core.releaseAny(lease) }
        if completion.result >= 0, !lease.isNone {
            takeRawEcho(lease, bytes: Int(completion.result), isIPv4: isIPv4, &core, &stack)
        } else {
            core.releaseAny(lease)
            if completion.result < 0, completion.result != -ENOBUFS { _ = reportRawErrors(isIPv4: isIPv4, &stack) }
        }
        guard !completion.hasMore else { return }
        if completion.result == -ENOBUFS {
            rawEchoes[isIPv4: isIPv4].receive = .starved
        } else {
            armRaw(isIPv4: isIPv4, &core)
        }
    }

    /// Takes ownership of the lease.
    private func takeRawEcho(
        _ lease: Lease, bytes: Int, isIPv4: Bool, _ core: inout ShardCore, _ stack: inout Stack
    ) {
        guard var datagram = ReceivedDatagram.read(lease, bytes: bytes, &core) else { return core.release(lease) }
        var message = UnsafeRawBufferPointer(
            start: core.space.address(of: lease) + datagram.offset, count: datagram.length)
        var hopLimit = datagram.notes.hop_limit
        if isIPv4 {
            guard let header = IPv4Header(message) else { return core.release(lease) }
            hopLimit = Int32(header.timeToLive)
            datagram.offset += header.headerLength
            datagram.length -= header.headerLength
            message = UnsafeRawBufferPointer(rebasing: message[header.headerLength...])
        }
        guard let reply = ICMPv4Header(message), let ping = rawPing(of: reply.identifier, isIPv4: isIPv4) else {
            return core.release(lease)
        }
        Self.pass(datagram, to: ping, lease, hopLimit: hopLimit, &stack)
    }

    /// The ping that uses an identifier; `nil` if no ping of this guest does.
    private func rawPing(of identifier: UInt16, isIPv4: Bool) -> Handle? {
        guard let slot = rawEchoes.identifiers?.slot(of: identifier), Int(slot) < sockets.capacity,
            let socket = sockets.pointer(slot), socket.pointee.isRaw, socket.pointee.isIPv4 == isIPv4
        else { return nil }
        return socket.pointee.flow
    }

    /// Whether receives wait for buffers.
    var waitsForBuffers: Bool {
        mutating get { !starved.isEmpty || rawEchoes.ipv4.receive == .starved || rawEchoes.ipv6.receive == .starved }
    }

    /// Re-arms receives that had found no buffer.
    ///
    /// - Parameter budget: the most receives to re-arm; reduced by the number of those re-armed. The receives of the
    ///   raw sockets, two at most, are not counted.
    mutating func retryStarved(_ budget: inout Int, _ core: inout ShardCore) {
        guard budget > 0 else { return }
        if rawEchoes.ipv4.receive == .starved { armRaw(isIPv4: true, &core) }
        if rawEchoes.ipv6.receive == .starved { armRaw(isIPv4: false, &core) }
        while budget > 0, let slot = starved.popFirst(), let socket = sockets.pointer(slot) {
            budget -= 1
            arm(socket, &core)
        }
    }

    /// Closes all sockets, at the end of the guest.
    mutating func close(_ core: inout ShardCore) {
        for slot in 0..<UInt32(sockets.capacity) {
            if let socket = sockets.pointer(slot) { close(socket.pointee.flow, &core) }
        }
        // Each raw socket has been closed with the last of its pings, so this only releases the identifiers.
        rawEchoes.closeDescriptors { Endpoint.close($0, reset: false) }
    }

    /// Closes everything immediately, after the ring has failed.
    mutating func closeDescriptors() {
        for slot in 0..<UInt32(sockets.capacity) {
            guard let socket = sockets.pointer(slot), !socket.pointee.isRaw else { continue }
            Endpoint.close(socket.pointee.descriptor, reset: false)
            shared.descriptors.release()
        }
        rawEchoes.closeDescriptors { Endpoint.close($0, reset: false) }
    }
}
