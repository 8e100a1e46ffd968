internal import RingwayStorage
internal import RingwayWire

/// The end of TCP connections.
extension TCP {
    /// The guest's FIN is in order: the host sees it after the last unsent byte.
    @inline(never)
    mutating func guestFinished(_ flow: TCPFlow, _ core: inout StackCore) {
        flow.pointee.marks.remove(.withholds)
        flow.pointee.receive.finish(&reservation)
        oweAcknowledgement(flow)
        switch flow.pointee.state {
        case .established: flow.pointee.state = .closeWait
        case .finWait1: flow.pointee.state = .closing
        case .finWait2: enterTimeWait(flow, &core)
        default: break
        }
        shutDownWhenDrained(flow, &core)
    }

    /// Requests SHUT_WR once the guest has sent FIN and the host socket has accepted all data before it. In TIME-WAIT
    /// and `draining` the socket is closed instead (`closeWhenDone`).
    @inline(__always)
    mutating func shutDownWhenDrained(_ flow: TCPFlow, _ core: inout StackCore) {
        let marks = flow.pointee.marks
        guard flow.pointee.receive.isFinished, marks.contains(.socket), !marks.contains(.shutDown),
            flow.pointee.receive.unsent.isEmpty, !marks.contains(.sending)
        else { return }
        flow.pointee.marks.insert(.shutDown)
        if flow.pointee.state != .timeWait && flow.pointee.state != .draining {
            core.effects.append(streamEffect(.shutdownStream, flow))
        }
    }

    /// In TIME-WAIT and `draining`, closes the host socket once it has accepted all data of the guest, and then
    /// removes a connection in `draining`.
    @inline(__always)
    mutating func closeWhenDone(_ flow: TCPFlow, _ core: inout StackCore) {
        guard flow.pointee.state == .timeWait || flow.pointee.state == .draining else { return }
        if flow.pointee.marks.contains(.socket) {
            guard flow.pointee.receive.unsent.isEmpty, !flow.pointee.marks.contains(.sending) else { return }
            flow.pointee.marks.remove(.socket)
            core.effects.append(streamEffect(.closeStream, flow))
        }
        if flow.pointee.state == .draining {
            core.counters.add(.tcpClosed)
            removeConnection(flow, &core)
        }
    }

    mutating func enterTimeWait(_ flow: TCPFlow, _ core: inout StackCore) {
        flow.pointee.state = .timeWait
        flow.pointee.deadlines.close(at: core.now &+ TCPBounds.timeWait)
        armTimer(flow, &core)
        closeWhenDone(flow, &core)
    }

    /// Sends FIN after the last byte, because the host socket has returned end of file.
    mutating func sendFIN(_ flow: TCPFlow, _ core: inout StackCore) {
        sendBare(flow, sequence: flow.pointee.send.nxt, flags: [.fin, .ack], &core)
        flow.pointee.send.nxt = flow.pointee.send.nxt.advanced(by: 1)
        flow.pointee.send.end = .finSent
        flow.pointee.state = flow.pointee.state == .closeWait ? .lastAck : .finWait1
        startRetransmissionTimer(flow, &core)
    }

    /// The guest acknowledged the stack's FIN.
    @inline(never)
    mutating func finAcknowledged(_ flow: TCPFlow, _ core: inout StackCore) {
        // FIN takes one byte of sequence space, which was counted as payload.
        flow.pointee.bytesToGuest &-= 1
        switch flow.pointee.state {
        case .finWait1: flow.pointee.state = .finWait2
        case .closing: enterTimeWait(flow, &core)
        case .lastAck:
            flow.pointee.state = .draining
            shutDownWhenDrained(flow, &core)
            closeWhenDone(flow, &core)
        default: break
        }
    }

    /// Ends the connection at once. `towardGuest` and `towardHost` say which side gets RST.
    @inline(never)
    mutating func abort(_ flow: TCPFlow, towardGuest: Bool, towardHost: Bool, _ core: inout StackCore) {
        if towardGuest && flow.pointee.state != .timeWait && flow.pointee.state != .draining { sendReset(flow, &core) }
        if flow.pointee.marks.contains(.socket) {
            flow.pointee.marks.remove(.socket)
            core.effects.append(streamEffect(towardHost ? .resetStream : .closeStream, flow))
        }
        removeConnection(flow, &core)
    }

    /// The guest is finished with the connection and may reuse its tuple. The host socket still gets the data that
    /// the guest sent.
    @inline(never)
    mutating func forgetGuest(_ flow: TCPFlow, _ core: inout StackCore) {
        guard flow.pointee.marks.contains(.socket) else {
            core.counters.add(.tcpClosed)
            return removeConnection(flow, &core)
        }
        core.table.remove(flow.pointee.key)
        flow.pointee.marks.insert(.detached)
        flow.pointee.state = .draining
        flow.pointee.deadlines.stop()
        acknowledged(flow)
    }

    /// Releases everything that the connection holds; its handle is stale from here on.
    @inline(never)
    mutating func removeConnection(_ flow: TCPFlow, _ core: inout StackCore) {
        let state = flow.pointee.state
        if state == .connecting || state == .synSent || state == .synReceived { endHalfOpen(flow, &core) }
        if flow.pointee.marks.contains(.socket) {
            flow.pointee.marks.remove(.socket)
            core.effects.append(streamEffect(.resetStream, flow))
        }
        core.counters.add(.tcpUnsentBytes, -flow.pointee.receive.unsent.bytes)
        flow.pointee.receive.removeAll(&reservation, core.pool)
        core.pool.pointee.releaseAll(&flow.pointee.send.unacknowledged)
        let slot = connections.slot(of: flow)
        if flow.pointee.marks.contains(.dirty) { removeFromDirty(flow, slot) }
        core.timers.cancel(.connection(slot))
        if !flow.pointee.marks.contains(.detached) { core.table.remove(flow.pointee.key) }
        connections.remove(slot: slot)
        core.counters.add(.tcpFlows, -1)
    }
}
