internal import RingwayStorage
internal import RingwayWire

/// Acknowledgements from the guest: released data, loss recovery, and window updates.
extension TCP {
    /// Processes a segment's acknowledgement number. False if the number acknowledges more than the stack has sent: the
    /// segment may be from a blind attacker, and the caller must drop it with its data (RFC 9293 §3.10.7.4, RFC 5961
    /// §5). The stack answers such segments with an ACK, at a limited rate.
    @discardableResult
    mutating func receiveAcknowledgement(
        _ flow: TCPFlow, _ header: TCPHeader, payloadLength: Int, _ core: inout StackCore
    ) -> Bool {
        let acknowledgement = header.acknowledgement
        guard flow.pointee.send.mayAcknowledge(upTo: acknowledgement) else {
            if mayChallenge(flow, &core) { oweAcknowledgement(flow) }
            return false
        }
        let advance = acknowledgement.distance(from: flow.pointee.send.una)
        let window = UInt32(header.window) &<< UInt32(flow.pointee.send.scale)
        let isSameWindow = window == flow.pointee.send.window
        if advance >= 0, flow.pointee.send.updateWindow(header, window) { flow.pointee.deadlines.stopProbing() }
        var isNewlyHeld = false
        // In the common case a segment has no SACK option. This is tested first, by the length of the options, because
        // parsing them costs more.
        if flow.pointee.marks.contains(.sack), header.options.count > Int(flow.pointee.optionLength), advance >= 0 {
            isNewlyHeld = readBlocks(flow, header)
        }
        if advance > 0 {
            if flow.pointee.recovery.isUnderWay { measureByEcho(flow, header, &core) }
            advanceUnacknowledged(flow, to: acknowledgement, bytes: UInt32(advance), &core)
        } else if advance == 0, payloadLength == 0, flow.pointee.send.flight > 0, isSameWindow || isNewlyHeld {
            countDuplicate(flow, &core)
        }
        if flow.pointee.recovery.isUnderWay { retransmitLost(flow, &core) }
        if flow.pointee.send.isFINAcknowledged && flow.pointee.state != .finWait2 && flow.pointee.state != .timeWait
            && flow.pointee.state != .draining
        {
            finAcknowledged(flow, &core)
            return true
        }
        requestReceive(flow, &core)
        return true
    }

    /// Records the segment's SACK blocks; true if they report data that was not reported before.
    @inline(never)
    private mutating func readBlocks(_ flow: TCPFlow, _ header: TCPHeader) -> Bool {
        guard let options = TCPOptions.parse(header.options) else { return false }
        return flow.pointee.recovery.take(
            options, acknowledging: header.acknowledgement, una: flow.pointee.send.una, nxt: flow.pointee.send.nxt)
    }

    private mutating func advanceUnacknowledged(
        _ flow: TCPFlow, to edge: SequenceNumber, bytes: UInt32, _ core: inout StackCore
    ) {
        let segment = flow.pointee.send.segmentSize
        flow.pointee.send.acknowledged(upTo: edge, to: core.pool, core.space)
        flow.pointee.bytesToGuest &+= UInt64(bytes)
        flow.pointee.deadlines.retransmissions = 0
        flow.pointee.roundTrip.acknowledged(upTo: edge, now: core.now)
        let hasRecovered = flow.pointee.recovery.acknowledged(
            upTo: edge, segment: segment, usesSACK: flow.pointee.marks.contains(.sack))
        if hasRecovered {
            flow.pointee.congestion.recovered()
        } else if flow.pointee.recovery.phase != .fast {
            flow.pointee.congestion.acknowledged(
                bytes, segment: segment, now: core.now, roundTrip: flow.pointee.roundTrip.smoothed)
        }
        if flow.pointee.send.flight == 0 {
            flow.pointee.deadlines.stop()
        } else {
            startRetransmissionTimer(flow, &core)
        }
    }

    /// Takes a round-trip sample from the echoed timestamp. Without timestamps, a retransmitted segment gives no
    /// sample (Karn).
    @inline(never)
    private mutating func measureByEcho(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) {
        guard flow.pointee.optionLength != 0, let echo = header.timestamps?.echo,
            let age = flow.pointee.timestamps.age(ofEcho: echo, now: core.now)
        else { return }
        flow.pointee.roundTrip.measured(age)
    }

    // MARK: Loss

    @inline(never)
    private mutating func countDuplicate(_ flow: TCPFlow, _ core: inout StackCore) {
        let segment = flow.pointee.send.segmentSize
        let isLoss = flow.pointee.recovery.duplicate(
            una: flow.pointee.send.una, nxt: flow.pointee.send.nxt, segment: segment,
            usesSACK: flow.pointee.marks.contains(.sack))
        guard isLoss else { return }
        core.counters.add(.tcpFastRetransmits)
        flow.pointee.congestion.lost(flight: flow.pointee.send.flight, segment: segment)
    }

    /// The retransmission timer expired: all data in flight counts as lost (RFC 6298 §5, RFC 5681 §3.1).
    mutating func beginTimeoutRecovery(_ flow: TCPFlow, _ core: inout StackCore) {
        flow.pointee.congestion.timedOut(
            flight: flow.pointee.send.flight, segment: flow.pointee.send.segmentSize,
            isRepeated: flow.pointee.recovery.phase == .timeout)
        flow.pointee.recovery.timedOut(una: flow.pointee.send.una, nxt: flow.pointee.send.nxt)
        flow.pointee.roundTrip.stopTiming()
        retransmitLost(flow, &core)
    }

    /// Retransmits all data in flight after the segment size was reduced. The congestion window does not change,
    /// because the cause was not congestion.
    mutating func resendAll(_ flow: TCPFlow, _ core: inout StackCore) {
        flow.pointee.recovery.sendAllAgain(una: flow.pointee.send.una, nxt: flow.pointee.send.nxt)
        flow.pointee.roundTrip.stopTiming()
        retransmitLost(flow, &core)
    }

    /// The most frames retransmitted per event.
    private static var resentAtOnce: Int { 16 }

    /// Retransmits lost data as the congestion window allows. If the oldest byte in flight is lost, its segment is
    /// retransmitted even without room in that window.
    @inline(never)
    private mutating func retransmitLost(_ flow: TCPFlow, _ core: inout StackCore) {
        for _ in 0..<Self.resentAtOnce {
            let loss = flow.pointee.recovery.nextLoss(
                una: flow.pointee.send.una, nxt: flow.pointee.send.nxt, window: flow.pointee.congestion.window,
                segment: flow.pointee.send.segmentSize)
            guard let loss else { return }
            let sent = resend(flow, loss, &core)
            guard sent > 0 else { return }
            flow.pointee.recovery.resent(upTo: loss.start.advanced(by: sent))
        }
    }

    /// Retransmits one frame. It extends neither beyond the loss nor beyond the buffer in which it begins. Returns the
    /// bytes of sequence space that the frame covers, even if there is no buffer for its headers: the frame then counts
    /// as a retransmission that was lost.
    private mutating func resend(_ flow: TCPFlow, _ loss: LossRecovery.Loss, _ core: inout StackCore) -> Int {
        var lease = flow.pointee.send.unacknowledged.head
        while !lease.isNone {
            let state = core.space.state(of: lease)
            let end = SequenceNumber(state.pointee.sequence).advanced(by: Int(state.pointee.length))
            if loss.start.precedes(end) {
                let room = min(Int(end.distance(from: loss.start)), Int(loss.end.distance(from: loss.start)))
                let segment = Int(flow.pointee.send.segmentSize)
                var length = min(room, loss.allowed, Int(flow.pointee.send.superFramePayload))
                if length > segment, length < room { length -= length % segment }
                if sendPiece(flow, lease, from: loss.start, length: length, &core) {
                    core.counters.add(.tcpRetransmittedFrames)
                    flow.pointee.roundTrip.stopTiming()
                }
                return length
            }
            lease = state.pointee.next
        }
        // Beyond the payload lies the stack's FIN.
        guard flow.pointee.send.end == .finSent else { return 0 }
        sendBare(flow, sequence: flow.pointee.send.nxt.advanced(by: -1), flags: [.fin, .ack], &core)
        return 1
    }
}
