internal import CRingway
internal import Glibc
internal import RingwayHost
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// The host sockets of TCP connections.
extension Shard {
    // MARK: Connecting

    mutating func connectStream(_ effect: Effect) {
        let flow = effect.handle
        guard isAdmitted(flow) else { return }
        let descriptor = StreamSocket.open(ipv4: effect.address.address.isIPv4)
        guard descriptor >= 0 else {
            shared.descriptors.release()
            return stack.streamConnectFailed(flow, .init(errno: -descriptor))
        }
        guard let handle = insertStream(descriptor, flow), let socket = streams.pointer(to: handle) else {
            Endpoint.close(descriptor, reset: true)
            shared.descriptors.release()
            return stack.streamConnectFailed(flow, .exhausted)
        }
        socket.pointee.address.set(effect.address)
        socket.pointee.isConnecting = true
        let manner = ConnectManner(effect, keepsPrivilegedPorts: shared.configuration.keepsPrivilegedPorts)
        socket.pointee.hasFewHops = manner.hopLimit != nil
        if !manner.apply(to: descriptor, ipv4: effect.address.address.isIPv4) { counters.add(.tcpSourcePortsNotKept) }
        stack.streamOpened(flow, socket: handle.slot)
        let entry = reactor.ring.prepare()
        let address = UnsafeMutableRawPointer(socket).advanced(
            by: MemoryLayout<StreamSocket>.offset(of: \.address) ?? 0)
        io_uring_prep_connect(
            entry, descriptor, UnsafePointer(address.assumingMemoryBound(to: sockaddr.self)),
            socket.pointee.address.length)
        entry.pointee.user_data = Operation.connect.tag(handle).rawValue
    }

    /// Counts the descriptors of a connection that the guest opens; false when it cannot be had, which the stack is told.
    private mutating func isAdmitted(_ flow: Handle, descriptors count: Int = 1) -> Bool {
        switch admit(count) {
        case .granted: return true
        case .beyondShare: stack.streamConnectFailed(flow, .beyondShare)
        case .awaited: stack.streamConnectFailed(flow, .exhausted)
        }
        return false
    }

    mutating func connected(_ completion: Completion) {
        guard let socket = streams.pointer(to: completion.tag.handle) else { return }
        socket.pointee.isConnecting = false
        if socket.pointee.isClosing { return closeWhenIdle(socket) }
        let flow = socket.pointee.flow
        let error =
            completion.result >= 0 ? StreamSocket.connectError(socket.pointee.descriptor) : -completion.result
        switch error {
        case 0:
            if socket.pointee.hasFewHops { ConnectManner.end(on: socket.pointee.descriptor) }
            stack.streamConnected(flow)
        case EINPROGRESS, EALREADY:
            socket.pointee.isConnecting = true
            let entry = reactor.ring.prepare()
            ringway_prepare_poll(entry, socket.pointee.descriptor, UInt32(POLLOUT))
            entry.pointee.user_data = completion.tag.rawValue
        default:
            // Of a connect that was to meet a router, its answer is the point.
            let report = socket.pointee.hasFewHops ? ErrorQueue.first(of: socket.pointee.descriptor) : nil
            closeNow(socket, reset: true)
            if let report, let reason = Self.reason(of: report) {
                stack.streamConnectReported(flow, reason, from: report.offender)
            } else {
                stack.streamConnectFailed(flow, .init(errno: error))
            }
        }
        perform()
    }

    mutating func inspectStream(_ effect: Effect) {
        let flow = effect.handle
        guard let socket = streams.pointer(inSlot: effect.socket), socket.pointee.flow == flow else { return }
        let peer = socket.pointee.peer.inspect(
            socket.pointee.descriptor, solicits: effect.solicits, beyond: PeerWatch.keepaliveTrust)
        stack.streamReported(flow, PeerReport(peer))
    }

    mutating func classifyStream(_ effect: Effect) {
        let flow = effect.handle
        guard let socket = streams.pointer(inSlot: effect.socket), socket.pointee.flow == flow else { return }
        ConnectManner.classify(socket.pointee.descriptor, ipv4: effect.address.address.isIPv4, effect.trafficClass)
    }

    /// A stream to the built-in name service: a pair of unix sockets, one end of which the control plane serves.
    mutating func connectService(_ effect: Effect) {
        let flow = effect.handle
        guard let service = shared.nameService else { return stack.streamConnectFailed(flow, .refused) }
        guard isAdmitted(flow, descriptors: 2) else { return }
        guard let pair = Endpoint.pair(type: Int32(SOCK_STREAM.rawValue)) else {
            shared.descriptors.release(2)
            return stack.streamConnectFailed(flow, .exhausted)
        }
        guard let handle = insertStream(pair.own, flow) else {
            Endpoint.close(pair.own, reset: false)
            Endpoint.close(pair.other, reset: false)
            shared.descriptors.release(2)
            return stack.streamConnectFailed(flow, .exhausted)
        }
        streams.pointer(to: handle)?.pointee.charge = 2
        stack.streamOpened(flow, socket: handle.slot)
        service.serve(stream: pair.other, hasIPv6: shared.hasIPv6)
        stack.streamConnected(flow)
    }

    private mutating func insertStream(_ descriptor: Int32, _ flow: Handle) -> Handle? {
        guard let handle = streams.insert(StreamSocket(descriptor: descriptor, flow: flow)) else { return nil }
        counters.add(.hostSockets)
        return handle
    }

    /// Turns a client of a published port away, whose descriptor is counted.
    mutating func turnAway(client descriptor: Int32) {
        Endpoint.close(descriptor, reset: true)
        shared.descriptors.release()
    }

    /// A client of a published port whose connection belongs to this shard; its descriptor is counted.
    mutating func takeClient(_ descriptor: Int32, client: TransportAddress, guest: TransportAddress) {
        counters.add(.forwardsAccepted)
        let trafficClass = ConnectManner.trafficClass(ofClient: descriptor, ipv4: client.address.isIPv4)
        let trust = shared.addresses.trust(guest.address, now: reactor.now)
        guard
            let flow = stack.openFromHost(client: client, guest: guest, trust: trust, trafficClass: trafficClass)
        else {
            turnAway(client: descriptor)
            return perform()
        }
        guard let handle = insertStream(descriptor, flow) else {
            turnAway(client: descriptor)
            stack.streamFailed(flow)
            return perform()
        }
        stack.streamOpened(flow, socket: handle.slot)
        perform()
    }

    // MARK: Sending

    /// Sends what the connection has parked: one slice as it is, several by one `sendmsg`.
    mutating func sendStream(_ effect: Effect) {
        let flow = effect.handle
        guard let socket = streams.pointer(inSlot: effect.socket), socket.pointee.flow == flow,
            !socket.pointee.isSending
        else { return }
        let first = stack.unsentPayload(flow)
        guard !first.isNone else { return }
        socket.pointee.isSending = true
        let handle = streams.handle(ofSlot: effect.socket)
        let second = space.state(of: first).pointee.next
        let entry = reactor.ring.prepare()
        if second.isNone || effect.limit > 0 || !prepareGather(entry, socket, first) {
            pool.pointee.hold(first)
            socket.pointee.lease = first
            let length = effect.sendLength(of: space.state(of: first).pointee.length)
            io_uring_prep_send(
                entry, socket.pointee.descriptor, space.payload(of: first), length, effect.sendFlags)
        }
        entry.pointee.user_data = Operation.send.tag(handle).rawValue
    }

    private mutating func prepareGather(
        _ entry: UnsafeMutablePointer<io_uring_sqe>, _ socket: UnsafeMutablePointer<StreamSocket>, _ first: Lease
    ) -> Bool {
        guard let place = messages.insert(SendMessage()), let message = messages.pointer(to: place) else {
            return false
        }
        var lease = first
        while !lease.isNone, message.pointee.count < SendMessage.sliceLimit {
            let state = space.state(of: lease)
            pool.pointee.hold(lease)
            message.pointee.append(space.payload(of: lease), Int(state.pointee.length), lease)
            lease = state.pointee.next
        }
        socket.pointee.message = place.slot
        let header = SendMessage.seal(message, address: false, controlLength: 0)
        io_uring_prep_sendmsg(entry, socket.pointee.descriptor, header, UInt32(MSG_NOSIGNAL))
        return true
    }

    mutating func sent(_ completion: Completion) {
        guard let socket = streams.pointer(to: completion.tag.handle) else { return }
        socket.pointee.isSending = false
        if !socket.pointee.lease.isNone {
            pool.pointee.release(socket.pointee.lease)
            socket.pointee.lease = .none
        }
        if socket.pointee.message != .max {
            releaseMessage(socket.pointee.message)
            socket.pointee.message = .max
        }
        if socket.pointee.isClosing { return closeWhenIdle(socket) }
        let flow = socket.pointee.flow
        if completion.result >= 0 {
            stack.streamSent(flow, bytes: Int(completion.result))
        } else {
            switch -completion.result {
            case EAGAIN, EINTR, ENOBUFS, ENOMEM:
                // The kernel is short of memory for this one send: it is tried again after a pause.
                deferSend(socket, completion.tag.handle.slot)
            default:
                // What the peer sent before it went away still reaches the guest; the receive tells the end.
                if socket.pointee.isReceiving {
                    socket.pointee.hasFailedSend = true
                } else {
                    closeNow(socket, reset: true)
                    stack.streamFailed(flow)
                }
            }
        }
        perform()
    }

    private mutating func deferSend(_ socket: UnsafeMutablePointer<StreamSocket>, _ slot: UInt32) {
        guard !socket.pointee.isDeferred else { return }
        socket.pointee.isDeferred = true
        socket.pointee.nextDeferred = deferredStreams
        deferredStreams = slot
    }

    mutating func retryDeferredStreams() {
        var slot = deferredStreams
        deferredStreams = .max
        while slot != .max {
            guard let socket = streams.pointer(inSlot: slot) else {
                preconditionFailure("a socket that is gone waits to send")
            }
            slot = socket.pointee.nextDeferred
            socket.pointee.nextDeferred = .max
            socket.pointee.isDeferred = false
            if socket.pointee.isClosing {
                closeWhenIdle(socket)
            } else {
                stack.streamSent(socket.pointee.flow, bytes: 0)
                perform()
            }
        }
    }

    mutating func releaseMessage(_ slot: UInt32) {
        guard let message = messages.pointer(inSlot: slot) else { return }
        for index in 0..<message.pointee.count { pool.pointee.release(message.pointee.leases[index]) }
        messages.remove(slot: slot)
    }

    // MARK: Receiving

    mutating func receiveStream(_ effect: Effect) {
        let flow = effect.handle
        guard let socket = streams.pointer(inSlot: effect.socket), socket.pointee.flow == flow,
            !socket.pointee.isReceiving
        else { return }
        if isLinkCongested { return starve(socket, effect.socket) }
        socket.pointee.isReceiving = true
        socket.pointee.receiveLength = effect.limit
        let entry = reactor.ring.prepare()
        ringway_prepare_receive_select(entry, socket.pointee.descriptor, effect.limit, Self.hostGroup)
        entry.pointee.user_data = Operation.receive.tag(streams.handle(ofSlot: effect.socket)).rawValue
    }

    mutating func received(_ completion: Completion) {
        var lease = Lease.none
        if completion.hasBuffer { lease = hostBuffers.take(completion.bufferIdentifier) }
        guard let socket = streams.pointer(to: completion.tag.handle) else {
            if !lease.isNone { pool.pointee.release(lease) }
            return
        }
        socket.pointee.isReceiving = false
        if socket.pointee.isClosing {
            if !lease.isNone { pool.pointee.release(lease) }
            return closeWhenIdle(socket)
        }
        let flow = socket.pointee.flow
        if completion.result > 0, !lease.isNone {
            octetsThisTurn &+= Int(completion.result)
            // A receive stops before an urgent byte, though there is more to have.
            let mayBeMarked = completion.leavesMore && UInt32(completion.result) < socket.pointee.receiveLength
            stack.streamReceived(
                flow, lease, offset: hostBuffers.headroom, length: Int(completion.result),
                precedesUrgent: mayBeMarked && ringway_is_at_mark(socket.pointee.descriptor))
            return perform()
        }
        if !lease.isNone { pool.pointee.release(lease) }
        switch -completion.result {
        case 0 where !socket.pointee.hasFailedSend:
            stack.streamEnded(flow)
            // No receive will tell of a reset from now on; where the guest has ended too, nothing more is to come.
            if !socket.pointee.isShut { watch(socket, completion.tag.handle) }
        case ENOBUFS:
            counters.add(.receivesStarved)
            if !isLinkCongested { hostBuffers.grow() }
            starve(socket, completion.tag.handle.slot)
        case EAGAIN, EINTR, ENOMEM:
            stack.streamReceiveStarved(flow)
        default:
            closeNow(socket, reset: true)
            stack.streamFailed(flow)
        }
        perform()
    }

    /// Waits for a buffer to come back; the receive counts as under way for the stack.
    private mutating func starve(_ socket: UnsafeMutablePointer<StreamSocket>, _ slot: UInt32) {
        guard !socket.pointee.isStarved else { return }
        socket.pointee.isStarved = true
        socket.pointee.nextStarved = .max
        if starvedStreams == .max {
            starvedStreams = slot
        } else {
            streams.pointer(inSlot: lastStarvedStream)?.pointee.nextStarved = slot
        }
        lastStarvedStream = slot
    }

    mutating func retryStarvedStreams() {
        var budget = hostBuffers.available
        while budget > 0, starvedStreams != .max, !isLinkCongested {
            let slot = starvedStreams
            guard let socket = streams.pointer(inSlot: slot) else {
                preconditionFailure("a socket that is gone waits for a buffer")
            }
            starvedStreams = socket.pointee.nextStarved
            socket.pointee.nextStarved = .max
            socket.pointee.isStarved = false
            budget -= 1
            if socket.pointee.isClosing {
                closeWhenIdle(socket)
            } else {
                stack.streamReceiveStarved(socket.pointee.flow)
                perform()
            }
        }
    }

    // MARK: Ending

    mutating func shutdownStream(_ effect: Effect) {
        let flow = effect.handle
        guard let socket = streams.pointer(inSlot: effect.socket), socket.pointee.flow == flow else { return }
        socket.pointee.isShut = true
        _ = shutdown(socket.pointee.descriptor, Int32(SHUT_WR))
    }

    mutating func closeStream(_ effect: Effect, reset: Bool) {
        let flow = effect.handle
        guard let socket = streams.pointer(inSlot: effect.socket), socket.pointee.flow == flow,
            !socket.pointee.isClosing
        else { return }
        socket.pointee.isClosing = true
        socket.pointee.isReset = reset
        let handle = streams.handle(ofSlot: effect.socket)
        if socket.pointee.isReceiving { cancel(Operation.receive.tag(handle)) }
        if socket.pointee.isSending { cancel(Operation.send.tag(handle)) }
        if socket.pointee.isConnecting { cancel(Operation.connect.tag(handle)) }
        if socket.pointee.isWatched { cancel(Operation.watch.tag(handle)) }
        closeWhenIdle(socket)
    }

    // MARK: Watching

    mutating func watchStream(_ effect: Effect) {
        let flow = effect.handle
        guard let socket = streams.pointer(inSlot: effect.socket), socket.pointee.flow == flow else { return }
        watch(socket, streams.handle(ofSlot: effect.socket), events: effect.reportsEnd ? Self.endOfClient : 0)
    }

    private static var endOfClient: UInt32 { UInt32(EPOLLRDHUP.rawValue) }

    /// Has the kernel tell when a socket fails on which nothing is being received.
    private mutating func watch(
        _ socket: UnsafeMutablePointer<StreamSocket>, _ handle: Handle, events: UInt32 = 0
    ) {
        guard !socket.pointee.isWatched else { return }
        socket.pointee.isWatched = true
        let entry = reactor.ring.prepare()
        // Failure is told unasked. So is the end of both sides, after which failure can follow.
        ringway_prepare_poll_multishot(entry, socket.pointee.descriptor, events)
        entry.pointee.user_data = Operation.watch.tag(handle).rawValue
    }

    mutating func watched(_ completion: Completion) {
        guard let socket = streams.pointer(to: completion.tag.handle) else { return }
        socket.pointee.isWatched = completion.hasMore
        if socket.pointee.isClosing { return closeWhenIdle(socket) }
        // A receive under way finds out by itself, after the data before the failure.
        guard completion.result > 0, !socket.pointee.isReceiving else { return }
        let flow = socket.pointee.flow
        guard ringway_socket_error(socket.pointee.descriptor) != 0 else {
            guard UInt32(bitPattern: completion.result) & Self.endOfClient != 0,
                !ringway_has_unread(socket.pointee.descriptor)
            else { return }
            return stack.clientEnded(flow)
        }
        closeNow(socket, reset: true)
        stack.streamFailed(flow)
        perform()
    }

    mutating func cancel(_ tag: OperationTag) {
        let entry = reactor.ring.prepare()
        ringway_prepare_cancel_tag(entry, tag.rawValue)
        entry.pointee.user_data = Operation.ignored.tag().rawValue
    }

    /// Closes a socket that the stack is done with, once the kernel is too.
    private mutating func closeWhenIdle(_ socket: UnsafeMutablePointer<StreamSocket>) {
        guard socket.pointee.isClosing, !socket.pointee.isBusy, !socket.pointee.isWaiting else { return }
        closeNow(socket, reset: socket.pointee.isReset)
    }

    /// Closes a socket on which nothing but a receive or send may be in flight; those end with an error of their own.
    mutating func closeNow(_ socket: UnsafeMutablePointer<StreamSocket>, reset: Bool) {
        if socket.pointee.isBusy || socket.pointee.isWaiting {
            socket.pointee.isClosing = true
            socket.pointee.isReset = reset
            let handle = streams.handle(ofSlot: streams.slot(of: socket))
            if socket.pointee.isReceiving { cancel(Operation.receive.tag(handle)) }
            if socket.pointee.isSending { cancel(Operation.send.tag(handle)) }
            if socket.pointee.isWatched { cancel(Operation.watch.tag(handle)) }
            return
        }
        closeWatched(socket.pointee.descriptor, reset: reset)
        counters.add(.hostSockets, -1)
        shared.descriptors.release(Int(socket.pointee.charge))
        streams.remove(slot: streams.slot(of: socket))
    }
}
