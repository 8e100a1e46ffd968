internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// One entry in the timer wheel per connection serves all its timers. A deadline that moves later leaves the entry in
/// place and is checked when the entry expires, so an acknowledgement costs no operation of the timer wheel.
extension TCP {
    mutating func startRetransmissionTimer(_ flow: TCPFlow, _ core: inout StackCore) {
        let timeout = flow.pointee.roundTrip.timeout(after: flow.pointee.deadlines.retransmissions)
        flow.pointee.deadlines.retransmit(at: core.now &+ timeout)
        armTimer(flow, &core)
    }

    /// Makes sure that the connection's entry in the timer wheel is no later than the connection's earliest deadline.
    @inline(__always)
    mutating func armTimer(_ flow: TCPFlow, _ core: inout StackCore) {
        let deadline = flow.pointee.deadlines.earliest(
            queryAt: flow.pointee.watch.queryAt, keepsAlive: flow.keepsAlive)
        guard flow.pointee.deadlines.mustWake(at: deadline) else { return }
        core.timers.schedule(.connection(connections.slot(of: flow)), at: deadline)
    }

    /// The timer wheel's entry of the connection in a slot has expired.
    mutating func runTimer(slot: UInt32, _ core: inout StackCore) {
        guard let flow = connections.pointer(inSlot: slot) else { return }
        flow.pointee.deadlines.woke()
        switch flow.pointee.deadlines.timer {
        case .close(let at) where at <= core.now: return endTimeWait(flow, &core)
        case .retransmit(let at) where at <= core.now:
            guard retransmissionTimedOut(flow, &core) else { return }
        case .probe(let at, _) where at <= core.now: probeWindow(flow, &core)
        default: break
        }
        if flow.pointee.watch.queryAt <= core.now { inspect(flow, &core) }
        if flow.keepsAlive && flow.pointee.deadlines.keepaliveAt <= core.now {
            guard probeGuest(flow, &core) else { return }
        }
        armTimer(flow, &core)
    }

    private mutating func endTimeWait(_ flow: TCPFlow, _ core: inout StackCore) {
        guard !flow.pointee.marks.contains(.socket) else {
            // The guest's last bytes still wait for a slow host.
            flow.pointee.deadlines.stop()
            flow.pointee.state = .draining
            return
        }
        core.counters.add(.tcpClosed)
        removeConnection(flow, &core)
    }

    /// The retransmission timer expired (RFC 6298 §5.4 to 5.7). False if the connection has ended.
    private mutating func retransmissionTimedOut(_ flow: TCPFlow, _ core: inout StackCore) -> Bool {
        let isOfClient = flow.pointee.state == .synSent
        let isHandshake = isOfClient || flow.pointee.state == .synReceived
        let count = flow.pointee.deadlines.retransmissions
        if isOfClient, flow.pointee.trust.isLost(after: count) {
            returnClient(flow, &core)
            return false
        }
        let limit = retransmissionLimit(flow)
        // A guest that answers with a closed window is slow, not dead (RFC 9293 §3.8.6.1). In SYN-SENT the guest has
        // never answered, and zero is only the initial value of the window.
        let isAlive =
            !isOfClient && flow.pointee.send.window == 0
            && core.now &- flow.pointee.deadlines.lastSegmentAt < TCPBounds.keepaliveIdle
        guard count < limit || isAlive else {
            core.counters.add(.tcpTimedOut)
            if isOfClient { reportSilence(of: flow.pointee.key, client: Effect.noSocket, &core) }
            abort(flow, towardGuest: true, towardHost: true, &core)
            return false
        }
        core.counters.add(.tcpRetransmissionTimeouts)
        flow.pointee.deadlines.retransmissions = min(limit, count + 1)
        if isHandshake {
            sendSYN(flow, &core)
        } else {
            beginTimeoutRecovery(flow, &core)
        }
        startRetransmissionTimer(flow, &core)
        return true
    }

    private mutating func retransmissionLimit(_ flow: TCPFlow) -> UInt8 {
        switch flow.pointee.state {
        case .synSent: flow.pointee.marks.contains(.clientGone) ? 0 : TCPBounds.publishedHandshakeLimit
        case .synReceived: TCPBounds.handshakeLimit
        default: TCPBounds.retransmissionLimit
        }
    }

    /// Ends a client's connection to a guest's address that does not answer. The guest gets no RST, and the client's
    /// socket stays open: `guestSilent` returns it to the shard, which connects the client to another address.
    private mutating func returnClient(_ flow: TCPFlow, _ core: inout StackCore) {
        let socket = flow.pointee.socket
        let key = flow.pointee.key
        flow.pointee.marks.remove(.socket)
        removeConnection(flow, &core)
        reportSilence(of: key, client: socket, &core)
    }

    private mutating func reportSilence(of key: FlowKey, client socket: UInt32, _ core: inout StackCore) {
        var effect = Effect(.guestSilent)
        effect.address = TransportAddress(address: key.guest, port: key.guestPort)
        effect.socket = socket
        core.effects.append(effect)
    }

    /// Probes a closed window, in case the window update that opened it was lost (RFC 9293 §3.8.6.1). The probe has
    /// no data, and its sequence number is left of the guest's window, so the guest replies with its window.
    private mutating func probeWindow(_ flow: TCPFlow, _ core: inout StackCore) {
        core.counters.add(.tcpZeroWindowProbes)
        sendBare(flow, sequence: flow.pointee.send.una.advanced(by: -1), flags: .ack, &core)
        flow.pointee.deadlines.probed(now: core.now)
    }

    /// Sends a keepalive probe (RFC 9293 §3.8.4). False if the guest counts as dead, and the connection has ended.
    private mutating func probeGuest(_ flow: TCPFlow, _ core: inout StackCore) -> Bool {
        guard flow.pointee.deadlines.countKeepaliveProbe() else {
            core.counters.add(.tcpTimedOut)
            abort(flow, towardGuest: true, towardHost: true, &core)
            return false
        }
        core.counters.add(.tcpKeepaliveProbes)
        sendBare(flow, sequence: flow.pointee.send.nxt.advanced(by: -1), flags: .ack, &core)
        return true
    }
}
