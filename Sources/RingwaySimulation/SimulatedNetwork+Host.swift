internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage

/// The host's side: sockets that connect, send, receive and fail, each with its own timing.
extension SimulatedNetwork {
    // MARK: Opening

    func connect(_ effect: Effect) {
        guard let flow = scenario.flows.first(where: { $0.hostAddress == effect.address })?.index else {
            return fail("a connect to \(effect.address), at which no host is")
        }
        let script = scenario.flows[flow]
        let handle = effect.handle
        let socket = HostSocket(identifier: sockets.count, flow: flow, handle: handle)
        sockets.append(socket)
        stack.streamOpened(handle, socket: UInt32(socket.identifier))
        log("socket \(socket.identifier) of flow \(flow) connects")
        events.schedule(.connected(socket.identifier), at: now + script.connectDelay)
    }

    func connected(_ socket: HostSocket) {
        guard socket.end == nil else { return }
        let script = scenario.flows[socket.flow]
        let attempt = fates[socket.flow].attempts
        fates[socket.flow].attempts += 1
        let answer = script.connectAnswers[min(attempt, script.connectAnswers.count - 1)]
        log("socket \(socket.identifier): connect \(answer)")
        recorder?.connected(socket.identifier, answer)
        let failure: ConnectFailure
        switch answer {
        case .succeeds:
            socket.isConnected = true
            return stack.streamConnected(socket.handle)
        case .refused: failure = .refused
        case .hostUnreachable: failure = .hostUnreachable
        case .networkUnreachable: failure = .networkUnreachable
        case .prohibited: failure = .prohibited
        case .timedOut: failure = .timedOut
        case .exhausted: failure = .exhausted
        }
        socket.end = .connectFailed
        stack.streamConnectFailed(socket.handle, failure)
    }

    func openFromHost(_ flow: Int) {
        let script = scenario.flows[flow]
        guard let handle = stack.openFromHost(client: script.hostAddress, guest: script.guest) else {
            return fail("flow \(flow) could not be opened")
        }
        recorder?.opened(script)
        let socket = HostSocket(identifier: sockets.count, flow: flow, handle: handle)
        socket.isConnected = true
        sockets.append(socket)
        stack.streamOpened(handle, socket: UInt32(socket.identifier))
    }

    // MARK: Effects

    func perform(onSocket effect: Effect) {
        let handle = effect.handle
        guard sockets.indices.contains(Int(effect.socket)), sockets[Int(effect.socket)].handle == handle else {
            return fail("\(effect.kind) for a socket that is not the flow's")
        }
        let socket = sockets[Int(effect.socket)]
        if let end = socket.end {
            // A socket that has failed is over at once. The stack still asks to close it afterwards.
            if end != .failed { fail("\(effect.kind) for socket \(socket.identifier), which is \(end)") }
            return
        }
        switch effect.kind {
        case .sendStream: send(socket)
        case .receiveStream: receive(socket, Int(effect.limit))
        case .classifyStream: break
        case .inspectStream: inspect(socket)
        case .watchStream: watch(socket)
        case .shutdownStream: shutDown(socket)
        case .closeStream: close(socket, .closed)
        default: close(socket, .reset)
        }
    }

    private func delay(_ socket: HostSocket) -> UInt64 {
        let script = scenario.flows[socket.flow]
        if random.chance(script.stallChance) { return script.stall }
        return random.time(0...script.hostDelay)
    }

    private func close(_ socket: HostSocket, _ end: HostSocket.End) {
        log("socket \(socket.identifier): \(end)")
        socket.end = end
        // Operations in flight are cancelled; their buffers are released with the completions.
        if end == .closed {
            if socket.isSending { fail("socket \(socket.identifier) is closed with bytes unsent") }
            if !socket.gaveEnd { fail("socket \(socket.identifier) is closed half-way") }
        }
    }

    /// Reports to the stack that the socket's peer is alive, and sometimes that it acknowledges late.
    private func inspect(_ socket: HostSocket) {
        let isDelivered = !random.chance(0.1)
        stack.streamReported(
            socket.handle,
            PeerReport(
                silence: isDelivered ? 0 : 300_000_000, isDelivered: isDelivered, isUnderWay: !isDelivered,
                isRepeating: !isDelivered && random.chance(0.1), timeout: 200_000_000, roundTrip: 1_000_000))
    }

    // MARK: Sending

    private func send(_ socket: HostSocket) {
        if socket.isSending { return fail("two sends at once on socket \(socket.identifier)") }
        if socket.sawShutdown { return fail("a send after shutdown on socket \(socket.identifier)") }
        var lease = stack.unsentPayload(socket.handle)
        if lease.isNone { return fail("a send of nothing on socket \(socket.identifier)") }
        socket.isSending = true
        let most = random.integer(1...24)
        while !lease.isNone, socket.slices.count < most {
            let state = space.state(of: lease)
            pool.pointee.hold(lease)
            let slice = HostSocket.Slice(
                lease: lease, offset: Int(state.pointee.offset), length: Int(state.pointee.length))
            if slice.length == 0 { fail("an empty slice is parked") }
            socket.slices.append(slice)
            lease = state.pointee.next
        }
        events.schedule(.sent(socket.identifier), at: now + delay(socket))
    }

    func sent(_ socket: HostSocket) {
        let script = scenario.flows[socket.flow]
        let slices = socket.slices
        socket.slices = []
        socket.isSending = false
        var taken = 0
        if socket.end == nil, !socket.hasError, !random.chance(0.03) {
            var most = random.integer(1...script.hostSize)
            for slice in slices where most > 0 {
                let count = min(most, slice.length)
                let source = space.address(of: slice.lease) + slice.offset
                if let position = script.toHost.firstMismatch(source, count, from: socket.received) {
                    fail("byte \(position) of the stream to the host is wrong on socket \(socket.identifier)")
                }
                socket.received += count
                taken += count
                most -= count
            }
            if socket.received > script.guestBytes { fail("more bytes than the guest sent") }
        }
        for slice in slices { pool.pointee.release(slice.lease) }
        if socket.end != nil { return }
        if socket.hasError { return failNow(socket) }
        log("socket \(socket.identifier): sent \(taken), \(socket.received) in all")
        recorder?.sent(socket.identifier, taken)
        stack.streamSent(socket.handle, bytes: taken)
    }

    // MARK: Receiving

    private func receive(_ socket: HostSocket, _ limit: Int) {
        if socket.receiveLimit != nil { return fail("two receives at once on socket \(socket.identifier)") }
        if socket.gaveEnd { return fail("a receive after the end on socket \(socket.identifier)") }
        if limit < 1 || limit > 65_535 { return fail("a receive of \(limit) bytes") }
        socket.receiveLimit = limit
        events.schedule(.received(socket.identifier), at: now + delay(socket))
    }

    func received(_ socket: HostSocket) {
        guard socket.end == nil, let limit = socket.receiveLimit else { return }
        if socket.hasError {
            socket.receiveLimit = nil
            return failNow(socket)
        }
        let script = scenario.flows[socket.flow]
        let rest = script.hostBytes - socket.sent
        if rest == 0 {
            guard script.hostCloses == .afterSending || socket.sawShutdown else { return }
            socket.receiveLimit = nil
            socket.gaveEnd = true
            log("socket \(socket.identifier): end of file")
            recorder?.ended(socket.identifier)
            return stack.streamEnded(socket.handle)
        }
        // The engine reserves the last buffers for frames from the guest.
        let reserve = min(24, scenario.limits.largeBuffers / 3)
        let lease = pool.pointee.largeAvailable > reserve ? pool.pointee.lease(.large) : .none
        guard !lease.isNone else {
            events.schedule(.starved(socket.identifier), at: now + 1_000_000)
            return
        }
        socket.receiveLimit = nil
        let count = min(limit, rest, random.integer(1...script.hostSize))
        script.toGuest.fill(space.address(of: lease) + Stack.headroom, count, from: socket.sent)
        socket.sent += count
        log("socket \(socket.identifier): received \(count) of \(limit), \(socket.sent) in all")
        recorder?.received(socket.identifier, count)
        stack.streamReceived(socket.handle, lease, offset: Stack.headroom, length: count)
    }

    func retry(_ socket: HostSocket) {
        guard socket.end == nil, socket.receiveLimit != nil else { return }
        socket.receiveLimit = nil
        recorder?.starved(socket.identifier)
        stack.streamReceiveStarved(socket.handle)
    }

    // MARK: Ending

    private func shutDown(_ socket: HostSocket) {
        let script = scenario.flows[socket.flow]
        log("socket \(socket.identifier): shut down")
        if socket.sawShutdown { fail("socket \(socket.identifier) is shut down twice") }
        if socket.isSending { fail("socket \(socket.identifier) is shut down with bytes unsent") }
        if socket.received != script.guestBytes { fail("shut down after \(socket.received) bytes") }
        socket.sawShutdown = true
        if socket.receiveLimit != nil, socket.sent == script.hostBytes {
            events.schedule(.received(socket.identifier), at: now + delay(socket))
        }
    }

    func failSockets(of flow: Int) {
        for socket in sockets where socket.flow == flow && socket.end == nil && socket.isConnected {
            fates[flow].wasDisturbed = true
            socket.hasError = true
            if socket.receiveLimit != nil { events.schedule(.received(socket.identifier), at: now) }
            if socket.isSending { events.schedule(.sent(socket.identifier), at: now) }
            if socket.isWatched { events.schedule(.watched(socket.identifier), at: now) }
        }
    }

    private func watch(_ socket: HostSocket) {
        if socket.isWatched { return fail("socket \(socket.identifier) is watched twice") }
        socket.isWatched = true
        if socket.hasError { events.schedule(.watched(socket.identifier), at: now) }
    }

    func watched(_ socket: HostSocket) {
        // A receive in flight reports the error itself.
        guard socket.end == nil, socket.hasError, socket.receiveLimit == nil else { return }
        failNow(socket)
    }

    private func failNow(_ socket: HostSocket) {
        log("socket \(socket.identifier): failed")
        socket.end = .failed
        recorder?.failed(socket.identifier)
        stack.streamFailed(socket.handle)
    }
}
