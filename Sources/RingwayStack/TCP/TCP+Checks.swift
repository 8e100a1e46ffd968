internal import RingwayStorage
internal import RingwayWire

/// Segments that are answered rather than taken: outside of the window, too old, or out of place (RFC 9293 §3.10.7.4,
/// RFC 5961, RFC 7323 §5).
extension TCP {
    @inline(never)
    mutating func answerUnacceptable(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) {
        if header.flags.contains(.rst) { return }
        if flow.pointee.state == .synReceived && header.flags.contains(.syn)
            && header.sequence == flow.pointee.receive.initial
        {
            return answerRepeatedSYN(flow, header, &core)
        }
        if flow.pointee.state == .timeWait { flow.pointee.deadlines.close(at: core.now &+ TCPBounds.timeWait) }
        if flow.pointee.receive.edge.precedes(header.sequence) { core.counters.add(.tcpBeyondWindow) }
        flow.pointee.deadlines.heard(now: core.now)
        if header.flags.contains(.syn) { return challenge(flow, &core) }
        if receiveProbe(flow, header, &core) {
            return receiveAcknowledgement(flow, header, payloadLength: 1, &core)
        }
        // An empty segment may itself be the answer to one of ours. Two ends that have lost each other, as when one was
        // set back to an earlier state, must not answer each other for ever.
        let isEmpty = header.payload.isEmpty && !header.flags.contains(.fin)
        if !isEmpty || mayChallenge(flow, &core) { oweAcknowledgement(flow) }
        // A segment left of the window may still acknowledge: both sides may have probed at once.
        if header.flags.contains(.ack) && flow.pointee.state != .synReceived {
            receiveAcknowledgement(flow, header, payloadLength: 1, &core)
        }
    }

    private mutating func answerRepeatedSYN(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) {
        guard header.flags.contains(.ack), header.acknowledgement == flow.pointee.send.nxt else {
            // The guest did not get our SYN-ACK.
            return sendSYN(flow, &core)
        }
        // The last step of a simultaneous open (RFC 9293 §3.5, figure 8).
        flow.pointee.deadlines.heard(now: core.now)
        finishHandshake(flow, header, &core)
        oweAcknowledgement(flow)
    }

    /// Whether a segment has the timestamp that was agreed, and a recent one; it is noted.
    @inline(__always)
    mutating func isTimely(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) -> Bool {
        guard let stamp = header.timestamps else {
            // RFC 7323 §3.2: a side that has agreed to timestamps sends no segment without.
            core.counters.add(.tcpTimestampsMissing)
            return false
        }
        if flow.pointee.timestamps.isRecent(stamp.value) { return true }
        return mayBeTimely(flow, header, &core)
    }

    /// RFC 7323 §5.3 R1: a segment from long ago, or of a guest that has begun anew, is dropped and answered.
    @inline(never)
    private mutating func mayBeTimely(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) -> Bool {
        if flow.pointee.timestamps.areOutdated(now: core.now) { return true }
        core.counters.add(.tcpOldTimestamps)
        // Two ends that answer each other's answers must not do so for ever.
        let brings = !header.flags.contains(.syn) && (!header.payload.isEmpty || header.flags.contains(.fin))
        if brings || mayChallenge(flow, &core) { oweAcknowledgement(flow) }
        return false
    }

    /// RFC 5961 §3.2: only the exact next number resets; another one inside the window is challenged.
    @inline(never)
    mutating func receiveReset(_ flow: TCPFlow, _ sequence: SequenceNumber, _ core: inout StackCore) {
        guard sequence == flow.pointee.receive.nxt else { return challenge(flow, &core) }
        if flow.pointee.state == .timeWait || flow.pointee.state == .draining {
            // Both ends have heard all; a late RST must not cost the host the bytes it has yet to take (RFC 1337).
            return forgetGuest(flow, &core)
        }
        core.counters.add(flow.pointee.state == .synReceived ? .tcpRefused : .tcpResetByGuest)
        abort(flow, towardGuest: false, towardHost: true, &core)
    }

    /// RFC 5961 §7.
    @inline(never)
    mutating func challenge(_ flow: TCPFlow, _ core: inout StackCore) {
        guard mayChallenge(flow, &core) else { return }
        sendBare(flow, sequence: flow.pointee.send.nxt, flags: .ack, &core)
    }

    /// Whether the connection's allowance permits one more answer to what asks for none; it is spent, and counted.
    @inline(never)
    mutating func mayChallenge(_ flow: TCPFlow, _ core: inout StackCore) -> Bool {
        guard flow.pointee.deadlines.takeChallenge(now: core.now) else { return false }
        core.counters.add(.tcpChallengeAcknowledgements)
        return true
    }
}
