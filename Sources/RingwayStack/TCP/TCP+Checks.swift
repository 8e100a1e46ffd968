internal import RingwayStorage
internal import RingwayWire

/// Segments that are answered but not accepted: outside the window, too old, or unexpected (RFC 9293 §3.10.7.4, RFC
/// 5961, RFC 7323 §5).
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
        flow.pointee.deadlines.segmentReceived(now: core.now)
        if header.flags.contains(.syn) { return challenge(flow, &core) }
        if receiveProbe(flow, header, &core) {
            receiveAcknowledgement(flow, header, payloadLength: 1, &core)
            return
        }
        // An empty segment may itself be a reply to the stack. Two ends that are out of sync, as after a snapshot
        // restore, must not answer each other forever, so the rate of replies to empty segments is limited.
        let isEmpty = header.payload.isEmpty && !header.flags.contains(.fin)
        if !isEmpty || mayChallenge(flow, &core) { oweAcknowledgement(flow) }
        // A segment left of the window may still carry an acknowledgement, as when both sides have probed at once. A
        // payload length of one keeps the segment from counting as a duplicate acknowledgement.
        if header.flags.contains(.ack) && flow.pointee.state != .synReceived {
            receiveAcknowledgement(flow, header, payloadLength: 1, &core)
        }
    }

    private mutating func answerRepeatedSYN(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) {
        guard header.flags.contains(.ack), header.acknowledgement == flow.pointee.send.nxt else {
            // The guest did not receive the SYN-ACK.
            return sendSYN(flow, &core)
        }
        // The last step of a simultaneous open (RFC 9293 §3.5, figure 8).
        flow.pointee.deadlines.segmentReceived(now: core.now)
        finishHandshake(flow, header, &core)
        oweAcknowledgement(flow)
    }

    /// Whether a segment has a timestamp, as agreed, that is not older than the recorded one. An older one is
    /// accepted if the recorded timestamp is outdated.
    @inline(__always)
    mutating func isTimely(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) -> Bool {
        guard let stamp = header.timestamps else {
            // RFC 7323 §3.2: after agreement every segment must have a timestamp.
            core.counters.add(.tcpTimestampsMissing)
            return false
        }
        if flow.pointee.timestamps.isRecent(stamp.value) { return true }
        return mayBeTimely(flow, header, &core)
    }

    /// The segment's timestamp is older than the one recorded. The segment is accepted if the recorded timestamp is
    /// outdated. Otherwise it is dropped and answered (RFC 7323 §5.3 R1): it is an old duplicate, or the guest has
    /// restarted.
    @inline(never)
    private mutating func mayBeTimely(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) -> Bool {
        if flow.pointee.timestamps.areOutdated(now: core.now) { return true }
        core.counters.add(.tcpOldTimestamps)
        // The rate of replies to segments without data is limited, because two ends must not answer each other's
        // replies forever.
        let brings = !header.flags.contains(.syn) && (!header.payload.isEmpty || header.flags.contains(.fin))
        if brings || mayChallenge(flow, &core) { oweAcknowledgement(flow) }
        return false
    }

    /// RFC 5961 §3.2: RST ends the connection only if it has exactly the next sequence number. RST with another number
    /// inside the window gets a challenge ACK.
    @inline(never)
    mutating func receiveReset(_ flow: TCPFlow, _ sequence: SequenceNumber, _ core: inout StackCore) {
        guard sequence == flow.pointee.receive.nxt else { return challenge(flow, &core) }
        if flow.pointee.state == .timeWait || flow.pointee.state == .draining {
            // Both directions are closed; a late RST must not discard bytes that the host has not accepted yet (RFC
            // 1337).
            return forgetGuest(flow, &core)
        }
        core.counters.add(flow.pointee.state == .synReceived ? .tcpRefused : .tcpResetByGuest)
        abort(flow, towardGuest: false, towardHost: true, &core)
    }

    /// Sends a challenge ACK if the minimum interval since the last one has passed (RFC 5961 §7).
    @inline(never)
    mutating func challenge(_ flow: TCPFlow, _ core: inout StackCore) {
        guard mayChallenge(flow, &core) else { return }
        sendBare(flow, sequence: flow.pointee.send.nxt, flags: .ack, &core)
    }

    /// Whether the connection may now send a challenge ACK (RFC 5961 §7), or another reply to which the same minimum
    /// interval applies. If so, the interval starts anew.
    @inline(never)
    mutating func mayChallenge(_ flow: TCPFlow, _ core: inout StackCore) -> Bool {
        guard flow.pointee.deadlines.takeChallenge(now: core.now) else { return false }
        core.counters.add(.tcpChallengeAcknowledgements)
        return true
    }
}
