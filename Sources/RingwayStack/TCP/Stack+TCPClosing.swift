internal import RingwayStorage
internal import RingwayWire

/// How TCP connections end.
extension Stack {
    /// The guest's FIN is in order: after the last parked octet the host hears of it.
    mutating func guestFinished(_ flow: UnsafeMutablePointer<TCPConnection>) {
        flow.pointee.marks.insert(.guestFinished)
        flow.pointee.marks.remove(.withholds)
        flow.pointee.rcvNxt = flow.pointee.rcvNxt.advanced(by: 1)
        if flow.pointee.rcvEdge.precedes(flow.pointee.rcvNxt) {
            committed &+= 1
            flow.pointee.rcvEdge = flow.pointee.rcvNxt
        }
        // The octet of sequence space that FIN used is not going to be parked.
        committed &-= 1
        oweAcknowledgement(flow, urgent: true)
        switch flow.pointee.state {
        case .established: flow.pointee.state = .closeWait
        case .finWait1: flow.pointee.state = .closing
        case .finWait2: enterTimeWait(flow)
        default: break
        }
        shutDownWhenDrained(flow)
    }

    /// Asks for SHUT_WR once everything the guest sent is with the host.
    mutating func shutDownWhenDrained(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let marks = flow.pointee.marks
        guard marks.contains(.guestFinished), marks.contains(.socket), !marks.contains(.shutDown),
            flow.pointee.parked.isEmpty, !marks.contains(.sending)
        else { return }
        flow.pointee.marks.insert(.shutDown)
        if flow.pointee.state != .timeWait && flow.pointee.state != .draining {
            effects.append(streamEffect(.shutdownStream, flow))
        }
    }

    /// Both directions have ended toward the guest: the socket goes when the host has everything.
    mutating func closeWhenDone(_ flow: UnsafeMutablePointer<TCPConnection>) {
        guard flow.pointee.state == .timeWait || flow.pointee.state == .draining else { return }
        if flow.pointee.marks.contains(.socket) {
            guard flow.pointee.parked.isEmpty, !flow.pointee.marks.contains(.sending) else { return }
            flow.pointee.marks.remove(.socket)
            effects.append(streamEffect(.closeStream, flow))
        }
        if flow.pointee.state == .draining {
            counters.add(.tcpClosed)
            removeConnection(flow)
        }
    }

    mutating func enterTimeWait(_ flow: UnsafeMutablePointer<TCPConnection>) {
        flow.pointee.state = .timeWait
        flow.pointee.retransmitAt = 0
        flow.pointee.probeAt = 0
        flow.pointee.endAt = now &+ TCPBounds.timeWait
        armTimer(flow)
        closeWhenDone(flow)
    }

    /// The host reached its end of file: FIN follows the last octet sent.
    mutating func sendFIN(_ flow: UnsafeMutablePointer<TCPConnection>) {
        sendBare(flow, sequence: flow.pointee.sndNxt, flags: [.fin, .ack])
        flow.pointee.sndNxt = flow.pointee.sndNxt.advanced(by: 1)
        flow.pointee.marks.insert(.finSent)
        flow.pointee.state = flow.pointee.state == .closeWait ? .lastAck : .finWait1
        startRetransmissionTimer(flow)
    }

    /// The guest acknowledged our FIN.
    mutating func finAcknowledged(_ flow: UnsafeMutablePointer<TCPConnection>) {
        switch flow.pointee.state {
        case .finWait1: flow.pointee.state = .finWait2
        case .closing: enterTimeWait(flow)
        case .lastAck:
            flow.pointee.state = .draining
            shutDownWhenDrained(flow)
            closeWhenDone(flow)
        default: break
        }
    }

    /// Ends the connection at once. `towardGuest` and `towardHost` say who is to see RST.
    mutating func abort(
        _ flow: UnsafeMutablePointer<TCPConnection>, towardGuest: Bool, towardHost: Bool
    ) {
        if towardGuest && flow.pointee.state != .timeWait && flow.pointee.state != .draining { sendReset(flow) }
        if flow.pointee.marks.contains(.socket) {
            flow.pointee.marks.remove(.socket)
            effects.append(streamEffect(towardHost ? .resetStream : .closeStream, flow))
        }
        removeConnection(flow)
    }

    /// The guest is through with the connection and may use its tuple anew; the host still gets what the guest sent.
    mutating func forgetGuest(_ flow: UnsafeMutablePointer<TCPConnection>) {
        guard flow.pointee.marks.contains(.socket) else {
            counters.add(.tcpClosed)
            return removeConnection(flow)
        }
        table.remove(flow.pointee.key)
        flow.pointee.marks.insert(.detached)
        flow.pointee.state = .draining
        flow.pointee.endAt = 0
        acknowledged(flow)
    }

    /// Gives back everything the connection holds; its handle is stale from here on.
    mutating func removeConnection(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let state = flow.pointee.state
        if state == .connecting || state == .synSent || state == .synReceived { endHalfOpen(flow) }
        if flow.pointee.marks.contains(.socket) {
            flow.pointee.marks.remove(.socket)
            effects.append(streamEffect(.resetStream, flow))
        }
        withdrawPromise(flow)
        pool.pointee.releaseAll(&flow.pointee.parked)
        pool.pointee.releaseAll(&flow.pointee.unacked)
        discardOutOfOrder(flow)
        let slot = connections.slot(of: flow)
        if flow.pointee.marks.contains(.dirty) { removeFromDirty(flow, slot) }
        wheel.cancel(slot)
        if !flow.pointee.marks.contains(.detached) { table.remove(flow.pointee.key) }
        connections.remove(slot: slot)
        counters.add(.tcpFlows, -1)
    }

    private mutating func removeFromDirty(_ flow: UnsafeMutablePointer<TCPConnection>, _ slot: UInt32) {
        if dirtyHead == slot {
            dirtyHead = flow.pointee.dirtyNext
            return
        }
        var at = dirtyHead
        while at != .max, let other = connections.pointer(inSlot: at) {
            if other.pointee.dirtyNext == slot {
                other.pointee.dirtyNext = flow.pointee.dirtyNext
                return
            }
            at = other.pointee.dirtyNext
        }
    }

    @inline(__always)
    mutating func streamEffect(
        _ kind: Effect.Kind, _ flow: UnsafeMutablePointer<TCPConnection>, limit: UInt32 = 0
    ) -> Effect {
        var effect = Effect(kind, connections.handle(ofSlot: connections.slot(of: flow)))
        effect.address = TransportAddress(address: flow.pointee.key.remote, port: 0)
        effect.socket = flow.pointee.socket
        effect.limit = limit
        return effect
    }
}
