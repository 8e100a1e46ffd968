public import RingwayStorage
internal import RingwayWire

/// What happens on a connection's host socket.
extension Stack {
    /// Octets before the payload in a buffer that is handed to `streamReceived`: all headers fit.
    public static var headroom: Int { 128 }

    /// The chain of parked payload, oldest first, for the owner's send; `Lease.none` when the handle is stale.
    public func parkedPayload(_ handle: Handle) -> Lease {
        connections.pointer(to: handle)?.pointee.parked.head ?? .none
    }

    /// The socket took `octets` of what was parked. Asks for the next send when there is more.
    public mutating func streamSent(_ handle: Handle, octets: Int) {
        guard let flow = connections.pointer(to: handle) else { return }
        flow.pointee.marks.remove(.sending)
        var rest = octets
        while rest > 0, !flow.pointee.parked.isEmpty {
            let first = flow.pointee.parked.head
            let state = space.state(of: first)
            let length = Int(state.pointee.length)
            if rest >= length {
                rest -= length
                _ = flow.pointee.parked.popFirst(in: space)
                release(first)
            } else {
                state.pointee.offset += UInt32(rest)
                state.pointee.length -= UInt32(rest)
                flow.pointee.parked.octets -= rest
                rest = 0
            }
        }
        hostTook(flow, octets: octets - rest)
        requestSend(flow)
        shutDownWhenDrained(flow)
        if let alive = connections.pointer(to: handle) { closeWhenDone(alive) }
    }

    /// The socket failed, in either direction: the guest sees RST.
    public mutating func streamFailed(_ handle: Handle) {
        guard let flow = connections.pointer(to: handle) else { return }
        counters.add(.tcpResetByHost)
        flow.pointee.marks.subtract([.sending, .receiving])
        abort(flow, towardGuest: true, towardHost: false)
    }

    /// The socket gave `length` octets, `offset` into the buffer. Takes the lease.
    ///
    /// - Parameter precedesUrgent: the host's kernel says that the next byte is urgent.
    public mutating func streamReceived(
        _ handle: Handle, _ lease: Lease, offset: Int, length: Int, precedesUrgent: Bool = false
    ) {
        guard let flow = connections.pointer(to: handle), flow.hostMaySend else { return release(lease) }
        flow.pointee.marks.remove(.receiving)
        flow.pointee.watch.hear(now: now)
        if !flow.pointee.marks.isDisjoint(with: .awaitsPeer) {
            hearPeer(flow)
            // What was sent before has an answer; the next look is for what comes now.
            flow.pointee.watch.beginLooking(now: now)
        }
        var lease = lease
        var offset = offset
        if length <= TCPBounds.copybreak && !lease.isSmall {
            let small = pool.pointee.lease(.small)
            if !small.isNone {
                (space.address(of: small) + Self.headroom).copyMemory(
                    from: space.address(of: lease) + offset, byteCount: length)
                release(lease)
                lease = small
                offset = Self.headroom
            }
        }
        let state = space.state(of: lease)
        state.pointee.offset = UInt32(truncatingIfNeeded: offset)
        state.pointee.length = UInt32(truncatingIfNeeded: length)
        // The guest may have taken its window back since the receive was asked for.
        if Int(flow.pointee.sndWindow) >= Int(flow.flight) &+ length {
            sendPayload(flow, lease)
        } else {
            holdBack(flow, lease)
            flow.pointee.marks.remove(.urgentToGuest)
        }
        if precedesUrgent { flow.pointee.marks.insert(.urgentToGuest) }
        requestReceive(flow)
    }

    /// The socket reached its end of file: FIN to the guest.
    public mutating func streamEnded(_ handle: Handle) {
        guard let flow = connections.pointer(to: handle), flow.hostMaySend else { return }
        flow.pointee.marks.remove(.receiving)
        flow.pointee.marks.insert(.hostFinished)
        flow.pointee.watch.hear(now: now)
        hearPeer(flow)
        if !flow.pointee.marks.contains(.heldBack) { sendFIN(flow) }
    }

    /// Keeps what the guest's window has no room for: the bytes of one receive, because no other is asked for until they
    /// are sent.
    private mutating func holdBack(_ flow: UnsafeMutablePointer<TCPConnection>, _ lease: Lease) {
        counters.add(.tcpHeldBack)
        let state = space.state(of: lease)
        state.pointee.sequence = flow.pointee.sndNxt.rawValue &+ flow.pointee.heldBack
        flow.pointee.heldBack &+= state.pointee.length
        flow.pointee.unacked.append(lease, in: space)
        flow.pointee.marks.insert(.heldBack)
    }

    /// Sends of what was held back as much as the guest's window takes. True when nothing is left.
    private mutating func sendHeldBack(_ flow: UnsafeMutablePointer<TCPConnection>) -> Bool {
        while flow.pointee.heldBack > 0 {
            let flight = flow.flight
            let window = flow.pointee.sndWindow
            let usable = min(window &- min(window, flight), flow.pointee.heldBack)
            // RFC 9293 §3.8.6.2.1: no silly segments while others are on their way.
            let isSilly = usable < flow.pointee.heldBack && usable < UInt32(flow.pointee.segmentSize) && flight > 0
            guard usable > 0, !isSilly, sendNext(flow, bytes: Int(usable)) else {
                // With nothing on its way, no acknowledgement will tell that there is room.
                if flow.flight == 0, flow.pointee.probeAt == 0 { startProbing(flow) }
                watch(flow)
                return false
            }
        }
        flow.pointee.marks.remove(.heldBack)
        if flow.pointee.marks.contains(.hostFinished) { sendFIN(flow) }
        return true
    }

    /// Sends one frame of what was held back. False when there is no buffer for its headers.
    private mutating func sendNext(_ flow: UnsafeMutablePointer<TCPConnection>, bytes: Int) -> Bool {
        let lease = flow.pointee.unacked.tail
        let segment = Int(flow.pointee.segmentSize)
        var length = min(bytes, Int(flow.pointee.superFramePayload))
        if length > segment, length < Int(flow.pointee.heldBack) { length -= length % segment }
        guard sendPiece(flow, lease, from: flow.pointee.sndNxt, length: length) else { return false }
        flow.pointee.sndNxt = flow.pointee.sndNxt.advanced(by: length)
        flow.pointee.heldBack &-= UInt32(length)
        flow.pointee.probeAt = 0
        if flow.pointee.retransmitAt == 0 { startRetransmissionTimer(flow) }
        return true
    }

    /// A receive ended without octets, for want of a buffer: it may be asked for again.
    public mutating func streamReceiveStarved(_ handle: Handle) {
        guard let flow = connections.pointer(to: handle) else { return }
        flow.pointee.marks.remove(.receiving)
        requestReceive(flow)
    }

    /// What the guest sends is of another class from here on. ECN is each link's own affair.
    @inline(never)
    mutating func classify(_ flow: UnsafeMutablePointer<TCPConnection>, _ trafficClass: UInt8) {
        flow.pointee.classFromGuest = trafficClass & 0xFC
        guard flow.pointee.marks.contains(.socket), !flow.pointee.marks.contains(.service) else { return }
        var effect = streamEffect(.classifyStream, flow)
        effect.trafficClass = flow.pointee.classFromGuest
        effects.append(effect)
    }

    /// Asks the owner to send what is parked, unless a send is under way.
    @inline(__always)
    mutating func requestSend(_ flow: UnsafeMutablePointer<TCPConnection>) {
        guard !flow.pointee.marks.contains(.sending), !flow.pointee.parked.isEmpty else { return }
        flow.pointee.marks.insert(.sending)
        if flow.pointee.watch.lookAt == 0 { lookAfter(flow) }
        effects.append(
            flow.pointee.marks.contains(.urgentToHost) ? urgentSend(flow) : streamEffect(.sendStream, flow))
    }

    mutating func beginReceiving(_ flow: UnsafeMutablePointer<TCPConnection>) {
        requestReceive(flow)
    }

    /// Asks the owner to receive, as much as the guest's window and the congestion window allow.
    @inline(__always)
    mutating func requestReceive(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let marks = flow.pointee.marks
        if marks.contains(.heldBack) {
            guard sendHeldBack(flow) else { return }
        }
        guard marks.isDisjoint(with: [.receiving, .hostFinished]), flow.hostMaySend,
            marks.contains(.socket)
        else { return }
        let flight = flow.flight
        let window = flow.pointee.sndWindow
        if window == 0 && flight == 0 {
            if flow.pointee.probeAt == 0 { startProbing(flow) }
            return watch(flow)
        }
        let allowed = min(window, flow.pointee.congestionWindow)
        guard allowed > flight else { return }
        let usable = allowed &- flight
        let segment = UInt32(flow.pointee.segmentSize)
        // RFC 9293 §3.8.6.2.1: no silly segments while others are on their way.
        if usable < segment && flight > 0 && usable < flow.pointee.sndWindowMaximum / 2 { return }
        // When large buffers run short, as much as goes into a small one.
        let most = isPressed ? UInt32(TCPBounds.copybreak) : flow.pointee.superFramePayload
        flow.pointee.marks.insert(.receiving)
        // The urgent byte goes in a frame of its own: of larger ones the guest's kernel would mark every segment.
        let limit = marks.contains(.urgentToGuest) ? 1 : min(usable, most)
        effects.append(streamEffect(.receiveStream, flow, limit: limit))
    }

    /// While the guest takes nothing, nothing is received: a reset by the host is found out by watching the socket.
    private mutating func watch(_ flow: UnsafeMutablePointer<TCPConnection>) {
        guard !flow.pointee.marks.contains(.watched) else { return }
        flow.pointee.marks.insert(.watched)
        effects.append(streamEffect(.watchStream, flow))
    }

    private mutating func startProbing(_ flow: UnsafeMutablePointer<TCPConnection>) {
        flow.pointee.probeInterval = flow.pointee.retransmissionTimeout
        flow.pointee.probeAt = now &+ flow.pointee.probeInterval
        armTimer(flow)
    }
}
