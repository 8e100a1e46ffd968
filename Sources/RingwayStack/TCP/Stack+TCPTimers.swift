internal import RingwayStorage
internal import RingwayWire

/// One wheel entry per connection serves all its clocks. Deadlines that move later leave the entry where it is and are
/// looked at when it fires, so an acknowledgement costs no wheel operation.
extension Stack {
    private mutating func backedOffTimeout(_ flow: UnsafeMutablePointer<TCPConnection>) -> UInt64 {
        min(
            flow.pointee.retransmissionTimeout &<< UInt64(min(flow.pointee.retransmissions, 16)),
            TCPBounds.longestRetransmission)
    }

    mutating func startRetransmissionTimer(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let timeout = backedOffTimeout(flow)
        flow.pointee.retransmitAt = now &+ timeout
        armTimer(flow)
    }

    /// Makes sure the wheel looks at the connection no later than its earliest deadline.
    @inline(__always)
    mutating func armTimer(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let deadline = earliestDeadline(flow)
        guard deadline != .max else { return }
        if flow.pointee.timerAt != 0 && flow.pointee.timerAt <= deadline { return }
        flow.pointee.timerAt = deadline
        wheel.schedule(connections.slot(of: flow), at: deadline)
    }

    @inline(__always)
    private mutating func earliestDeadline(_ flow: UnsafeMutablePointer<TCPConnection>) -> UInt64 {
        var earliest = UInt64.max
        if flow.pointee.retransmitAt != 0 { earliest = flow.pointee.retransmitAt }
        if flow.pointee.probeAt != 0 { earliest = min(earliest, flow.pointee.probeAt) }
        if flow.pointee.endAt != 0 { earliest = min(earliest, flow.pointee.endAt) }
        if flow.pointee.watch.lookAt != 0 { earliest = min(earliest, flow.pointee.watch.lookAt) }
        if keepsAlive(flow) { earliest = min(earliest, keepaliveAt(flow)) }
        return earliest
    }

    private mutating func keepsAlive(_ flow: UnsafeMutablePointer<TCPConnection>) -> Bool {
        switch flow.pointee.state {
        case .established, .closeWait, .finWait2: true
        default: false
        }
    }

    private mutating func keepaliveAt(_ flow: UnsafeMutablePointer<TCPConnection>) -> UInt64 {
        flow.pointee.heardAt &+ TCPBounds.keepaliveIdle
            &+ UInt64(flow.pointee.keepaliveProbes) &* TCPBounds.keepaliveInterval
    }

    mutating func runConnectionTimer(_ flow: UnsafeMutablePointer<TCPConnection>) {
        flow.pointee.timerAt = 0
        if flow.pointee.endAt != 0 && flow.pointee.endAt <= now {
            guard !flow.pointee.marks.contains(.socket) else {
                // The guest's last octets still wait for a slow host.
                flow.pointee.endAt = 0
                flow.pointee.state = .draining
                return
            }
            counters.add(.tcpClosed)
            return removeConnection(flow)
        }
        if flow.pointee.retransmitAt != 0 && flow.pointee.retransmitAt <= now {
            guard retransmissionTimedOut(flow) else { return }
        }
        if flow.pointee.probeAt != 0 && flow.pointee.probeAt <= now { probeWindow(flow) }
        if flow.pointee.watch.lookAt != 0 && flow.pointee.watch.lookAt <= now { inspect(flow) }
        if keepsAlive(flow) && keepaliveAt(flow) <= now {
            guard probeGuest(flow) else { return }
        }
        armTimer(flow)
    }

    /// RFC 6298 §5.4 to 5.7. False when the connection was given up.
    private mutating func retransmissionTimedOut(_ flow: UnsafeMutablePointer<TCPConnection>) -> Bool {
        let handshake = flow.pointee.state == .synSent || flow.pointee.state == .synReceived
        let isOfClient = flow.pointee.state == .synSent
        if isOfClient, hasFailedTrial(flow) {
            giveClientBack(flow)
            return false
        }
        let limit =
            flow.pointee.marks.contains(.deserted) && isOfClient
            ? 0
            : isOfClient
                ? TCPBounds.publishedHandshakeLimit
                : handshake ? TCPBounds.handshakeLimit : TCPBounds.retransmissionLimit
        // A guest that answers with a closed window is slow, not gone (RFC 9293 §3.8.6.1).
        // One that has never answered has no window at all.
        let isAlive =
            !isOfClient && flow.pointee.sndWindow == 0
            && now &- flow.pointee.heardAt < TCPBounds.keepaliveIdle
        guard flow.pointee.retransmissions < limit || isAlive else {
            counters.add(.tcpTimedOut)
            if isOfClient { tellSilence(of: flow.pointee.key, client: Effect.noSocket) }
            abort(flow, towardGuest: true, towardHost: true)
            return false
        }
        counters.add(.tcpRetransmissionTimeouts)
        flow.pointee.retransmissions = min(limit, flow.pointee.retransmissions + 1)
        if handshake {
            sendSYN(flow)
        } else {
            beginTimeoutRecovery(flow)
        }
        startRetransmissionTimer(flow)
        return true
    }

    private mutating func hasFailedTrial(_ flow: UnsafeMutablePointer<TCPConnection>) -> Bool {
        let timeouts = flow.pointee.retransmissions
        return flow.pointee.marks.contains(.trial) || (flow.pointee.marks.contains(.longTrial) && timeouts >= 1)
    }

    /// Ends a client's connection to an address that does not answer, without a word to anyone: the owner leads the client
    /// elsewhere.
    private mutating func giveClientBack(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let socket = flow.pointee.socket
        let key = flow.pointee.key
        flow.pointee.marks.remove(.socket)
        removeConnection(flow)
        tellSilence(of: key, client: socket)
    }

    private mutating func tellSilence(of key: FlowKey, client socket: UInt32) {
        var effect = Effect(.guestSilent)
        effect.address = TransportAddress(address: key.guest, port: key.guestPort)
        effect.socket = socket
        effects.append(effect)
    }

    /// The guest's window is closed: ask, in case the segment that opened it was lost (RFC 9293 §3.8.6.1). A segment left
    /// of the guest's window makes it answer with its present one, without data of ours.
    private mutating func probeWindow(_ flow: UnsafeMutablePointer<TCPConnection>) {
        counters.add(.tcpZeroWindowProbes)
        sendBare(flow, sequence: flow.pointee.sndUna.advanced(by: -1), flags: .ack)
        flow.pointee.probeInterval = min(flow.pointee.probeInterval * 2, TCPBounds.longestRetransmission)
        flow.pointee.probeAt = now &+ flow.pointee.probeInterval
    }

    /// RFC 9293 §3.8.4. False when the guest is taken for dead.
    private mutating func probeGuest(_ flow: UnsafeMutablePointer<TCPConnection>) -> Bool {
        guard flow.pointee.keepaliveProbes < TCPBounds.keepaliveLimit else {
            counters.add(.tcpTimedOut)
            abort(flow, towardGuest: true, towardHost: true)
            return false
        }
        counters.add(.tcpKeepaliveProbes)
        flow.pointee.keepaliveProbes += 1
        sendBare(flow, sequence: flow.pointee.sndNxt.advanced(by: -1), flags: .ack)
        return true
    }
}
