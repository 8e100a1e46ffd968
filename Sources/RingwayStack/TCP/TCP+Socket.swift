internal import RingwayModel
internal import RingwayStorage

/// Events of a connection's host socket, and requests to it.
extension TCP {
    // MARK: Events

    /// The first buffer of the chain of unsent payload; `Lease.none` if the chain is empty or the handle is stale.
    @inline(__always)
    mutating func unsentPayload(_ handle: Handle) -> Lease {
        connections.pointer(to: handle)?.pointee.receive.unsent.head ?? .none
    }

    /// The socket accepted `bytes` of the unsent payload, or zero if the send is to be repeated. Requests the next
    /// send if there is more.
    @inline(__always)
    mutating func streamSent(_ handle: Handle, bytes: Int, _ core: inout StackCore) {
        guard let flow = connections.pointer(to: handle) else { return }
        flow.pointee.marks.remove(.sending)
        let rest = flow.pointee.receive.removeUnsent(bytes, core.pool, core.space)
        hostTook(flow, bytes: bytes - rest, &core)
        requestSend(flow, &core)
        // Nothing above ends the connection, so `flow` is still valid.
        shutDownWhenDrained(flow, &core)
        closeWhenDone(flow, &core)
    }

    /// The host accepted bytes: the reservation shrinks, and a window update may be due.
    @inline(__always)
    private mutating func hostTook(_ flow: TCPFlow, bytes: Int, _ core: inout StackCore) {
        core.counters.add(.tcpUnsentBytes, -bytes)
        flow.pointee.receive.hostTook(bytes, &reservation, largest: core.configuration.limits.unsentBytesPerFlow)
        guard flow.guestMaySend else { return }
        let isWorthAnnouncing = flow.pointee.receive.isWorthAnnouncing(
            segment: flow.pointee.send.segmentSize, reservation, connections: connections.count)
        if isWorthAnnouncing { oweAcknowledgement(flow) }
    }

    /// The host socket failed: the guest gets RST.
    mutating func streamFailed(_ handle: Handle, _ core: inout StackCore) {
        guard let flow = connections.pointer(to: handle) else { return }
        core.counters.add(.tcpResetByHost)
        flow.pointee.marks.subtract([.sending, .receiving])
        abort(flow, towardGuest: true, towardHost: false, &core)
    }

    /// The socket returned `length` bytes, at `offset` of the buffer. Takes ownership of the lease.
    ///
    /// - Parameter precedesUrgent: the host's kernel reports that the next byte is urgent.
    @inline(__always)
    mutating func streamReceived(
        _ handle: Handle, _ lease: Lease, offset: Int, length: Int, precedesUrgent: Bool, _ core: inout StackCore
    ) {
        guard let flow = connections.pointer(to: handle), flow.hostMaySend else { return core.release(lease) }
        flow.pointee.marks.remove(.receiving)
        flow.pointee.watch.segmentReceived(now: core.now)
        if !flow.pointee.marks.isDisjoint(with: .awaitsPeer) {
            peerResponded(flow)
            // The far end has answered what the guest sent before, so the interval until the next query starts anew.
            flow.pointee.watch.beginQueries(now: core.now)
        }
        var lease = lease
        var offset = offset
        if length <= TCPBounds.copybreak && !lease.isSmall {
            let small = core.pool.pointee.lease(.small)
            if !small.isNone {
                (core.space.address(of: small) + Stack.headroom).copyMemory(
                    from: core.space.address(of: lease) + offset, byteCount: length)
                core.release(lease)
                lease = small
                offset = Stack.headroom
            }
        }
        let state = core.space.state(of: lease)
        state.pointee.offset = UInt32(truncatingIfNeeded: offset)
        state.pointee.length = UInt32(truncatingIfNeeded: length)
        // The guest may have shrunk its window since the receive was issued.
        if Int(flow.pointee.send.window) >= Int(flow.pointee.send.flight) &+ length {
            sendPayload(flow, lease, &core)
        } else {
            // All bytes of one receive are held back: no further receive is issued until they are sent.
            core.counters.add(.tcpHeldBack)
            flow.pointee.send.holdBack(lease, in: core.space)
            flow.pointee.marks.remove(.urgentToGuest)
        }
        if precedesUrgent { flow.pointee.marks.insert(.urgentToGuest) }
        requestReceive(flow, &core)
    }

    /// The socket returned end of file: the guest gets FIN after the last byte.
    mutating func streamEnded(_ handle: Handle, _ core: inout StackCore) {
        guard let flow = connections.pointer(to: handle), flow.hostMaySend else { return }
        flow.pointee.marks.remove(.receiving)
        flow.pointee.send.end = .finished
        flow.pointee.watch.segmentReceived(now: core.now)
        peerResponded(flow)
        if flow.pointee.send.heldBack == 0 { sendFIN(flow, &core) }
    }

    /// A receive returned nothing, for example for lack of a buffer, and is requested again.
    mutating func streamReceiveStarved(_ handle: Handle, _ core: inout StackCore) {
        guard let flow = connections.pointer(to: handle) else { return }
        flow.pointee.marks.remove(.receiving)
        requestReceive(flow, &core)
    }

    // MARK: Requests

    /// An effect about the connection's socket.
    @inline(__always)
    mutating func streamEffect(_ kind: Effect.Kind, _ flow: TCPFlow, limit: UInt32 = 0) -> Effect {
        var effect = Effect(kind, connections.handle(ofSlot: connections.slot(of: flow)))
        effect.address = TransportAddress(address: flow.pointee.key.remote, port: 0)
        effect.socket = flow.pointee.socket
        effect.limit = limit
        return effect
    }

    /// The DSCP of the guest's segments has changed. The ECN bits are not passed on: they concern only the TCP
    /// connection between guest and stack.
    @inline(never)
    mutating func classify(_ flow: TCPFlow, _ trafficClass: UInt8, _ core: inout StackCore) {
        flow.pointee.classFromGuest = trafficClass & 0xFC
        guard flow.pointee.marks.contains(.socket), !flow.pointee.marks.contains(.service) else { return }
        var effect = streamEffect(.classifyStream, flow)
        // The address tells the shard the socket's family, which decides between IP_TOS and IPV6_TCLASS. The socket of
        // a published port's client may have another family than the guest's address.
        effect.address = flow.pointee.hostAddress
        effect.trafficClass = flow.pointee.classFromGuest
        core.effects.append(effect)
    }

    /// Requests a send of the unsent payload, unless one is in flight.
    @inline(__always)
    mutating func requestSend(_ flow: TCPFlow, _ core: inout StackCore) {
        guard !flow.pointee.marks.contains(.sending), !flow.pointee.receive.unsent.isEmpty else { return }
        flow.pointee.marks.insert(.sending)
        if !flow.pointee.watch.isQuerying { startPeerQueries(flow, &core) }
        core.effects.append(
            flow.pointee.marks.contains(.urgentToHost)
                ? urgentSend(flow, &core) : streamEffect(.sendStream, flow))
    }

    /// Requests a receive of as much as the guest's window, the congestion window and one frame allow.
    @inline(__always)
    mutating func requestReceive(_ flow: TCPFlow, _ core: inout StackCore) {
        let marks = flow.pointee.marks
        if flow.pointee.send.heldBack > 0 {
            guard sendHeldBack(flow, &core) else { return }
        }
        guard !marks.contains(.receiving), marks.contains(.socket), flow.pointee.send.end == .open, flow.hostMaySend
        else { return }
        let flight = flow.pointee.send.flight
        let window = flow.pointee.send.window
        if window == 0 && flight == 0 {
            startProbing(flow, &core)
            return watch(flow, &core)
        }
        let allowed = min(window, flow.pointee.congestion.window)
        guard allowed > flight else { return }
        let usable = allowed &- flight
        let segment = UInt32(flow.pointee.send.segmentSize)
        // While data is in flight, a receive waits for room for a segment, or for half of the largest window that the
        // guest has advertised (silly window avoidance, RFC 9293 §3.8.6.2.1).
        if usable < segment && flight > 0 && usable < flow.pointee.send.windowMaximum / 2 { return }
        // While large buffers are scarce, a receive is limited to what fits a small buffer.
        let most = core.isPressed ? UInt32(TCPBounds.copybreak) : flow.pointee.send.superFramePayload
        flow.pointee.marks.insert(.receiving)
        // The urgent byte goes in a frame of its own: in a super-frame every segment would have URG.
        let limit = marks.contains(.urgentToGuest) ? 1 : min(usable, most)
        core.effects.append(streamEffect(.receiveStream, flow, limit: limit))
    }

    /// Sends held-back data as the guest's window allows. True if nothing is left.
    @inline(never)
    private mutating func sendHeldBack(_ flow: TCPFlow, _ core: inout StackCore) -> Bool {
        while flow.pointee.send.heldBack > 0 {
            guard let bytes = flow.pointee.send.sendableHeldBack(), sendNext(flow, bytes: bytes, &core) else {
                // With nothing in flight, no acknowledgement will come that could open the window, so the window is
                // probed.
                if flow.pointee.send.flight == 0 { startProbing(flow, &core) }
                watch(flow, &core)
                return false
            }
        }
        if flow.pointee.send.end == .finished { sendFIN(flow, &core) }
        return true
    }

    /// Sends one frame of held-back data. False if there is no buffer for its headers.
    private mutating func sendNext(_ flow: TCPFlow, bytes: Int, _ core: inout StackCore) -> Bool {
        let lease = flow.pointee.send.unacknowledged.tail
        let segment = Int(flow.pointee.send.segmentSize)
        var length = min(bytes, Int(flow.pointee.send.superFramePayload))
        if length > segment, length < Int(flow.pointee.send.heldBack) { length -= length % segment }
        guard sendPiece(flow, lease, from: flow.pointee.send.nxt, length: length, &core) else { return false }
        flow.pointee.send.sentHeldBack(length)
        if !flow.pointee.deadlines.isRetransmitting { startRetransmissionTimer(flow, &core) }
        return true
    }

    /// While the guest's window is closed, nothing is received from the host socket. A reset by its peer is therefore
    /// detected by polling the socket.
    @inline(never)
    private mutating func watch(_ flow: TCPFlow, _ core: inout StackCore) {
        guard !flow.pointee.marks.contains(.watched) else { return }
        flow.pointee.marks.insert(.watched)
        core.effects.append(streamEffect(.watchStream, flow))
    }

    @inline(never)
    private mutating func startProbing(_ flow: TCPFlow, _ core: inout StackCore) {
        guard !flow.pointee.deadlines.isProbing else { return }
        flow.pointee.deadlines.probe(every: flow.pointee.roundTrip.timeout, now: core.now)
        armTimer(flow, &core)
    }
}
