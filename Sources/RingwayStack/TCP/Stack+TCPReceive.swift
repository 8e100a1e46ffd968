internal import RingwayStorage
internal import RingwayWire

/// Segments from the guest, in the order of RFC 9293 §3.10.7. `RFC 5961` says where resets and SYNs must be doubted.
extension Stack {
    /// Takes the lease.
    mutating func receiveTCP(_ summary: FrameSummary, _ lease: Lease, _ frame: UnsafeRawPointer) {
        let segment = UnsafeRawBufferPointer(
            start: frame + Int(summary.transportOffset),
            count: Int(summary.payloadOffset &- summary.transportOffset) &+ Int(summary.payloadLength))
        guard let header = TCPHeader(segment) else {
            counters.addRefused(reason: DropReason.truncatedTCP.rawValue)
            return release(lease)
        }
        let key = FlowKey(
            guest: summary.source, guestPort: summary.sourcePort, remote: summary.destination,
            remotePort: summary.destinationPort, transport: .tcp)
        guard let reference = table.find(key), reference.kind == .tcp,
            let flow = connections.pointer(inSlot: reference.slot)
        else {
            if header.flags.contains(.syn) && header.flags.isDisjoint(with: [.ack, .rst, .fin]) {
                openFromGuest(summary, header, key, frame)
            } else {
                counters.add(.droppedUnexpectedSegment)
                refuseSegment(summary, header)
            }
            return release(lease)
        }
        switch flow.pointee.state {
        case .connecting: receiveWhileConnecting(flow, header)
        case .synSent: receiveInSynSent(flow, header)
        case .timeWait where restarts(flow, header), .draining where restarts(flow, header):
            forgetGuest(flow)
            openFromGuest(summary, header, key, frame)
        default:
            if receiveSynchronised(flow, header, summary, lease) { return }
        }
        release(lease)
    }

    /// RFC 6191: a new SYN beyond the old connection's sequence space, or with a later timestamp, ends its TIME-WAIT.
    @inline(never)
    private mutating func restarts(_ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader) -> Bool {
        guard header.flags.contains(.syn), header.flags.isDisjoint(with: [.ack, .rst, .fin]) else { return false }
        if flow.pointee.rcvNxt.precedes(header.sequence) { return true }
        guard flow.pointee.optionLength != 0, let stamp = header.timestamps else { return false }
        return flow.pointee.timestamps.precede(stamp.value)
    }

    private mutating func receiveWhileConnecting(_ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader) {
        if header.flags.contains(.rst) {
            guard header.sequence == flow.pointee.rcvNxt || header.sequence == flow.pointee.initialReceive else {
                return
            }
            counters.add(.tcpResetByGuest)
            return abort(flow, towardGuest: false, towardHost: true)
        }
        // A repeated SYN changes nothing; one with a new number is the guest's next attempt on the same port.
        guard header.flags.contains(.syn), header.sequence != flow.pointee.initialReceive else { return }
        guard let options = TCPOptions.parse(header.options) else { return }
        acceptOptions(flow, options, of: header)
        flow.pointee.initialReceive = header.sequence
        flow.pointee.rcvNxt = header.sequence.advanced(by: 1)
        flow.pointee.rcvEdge = flow.pointee.rcvNxt
        flow.pointee.sndWindow = UInt32(header.window)
        flow.pointee.sndWindowMaximum = flow.pointee.sndWindow
        flow.pointee.sndWl1 = header.sequence
    }

    /// RFC 9293 §3.10.7.3.
    private mutating func receiveInSynSent(_ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader) {
        let flags = header.flags
        let acceptable = flags.contains(.ack) && header.acknowledgement == flow.pointee.sndNxt
        if flags.contains(.ack) && !acceptable {
            if !flags.contains(.rst) {
                sendBare(flow, sequence: header.acknowledgement, flags: .rst)
            }
            return
        }
        if !flow.pointee.marks.isDisjoint(with: [.trial, .longTrial]) {
            flow.pointee.marks.subtract([.trial, .longTrial])
            tellShown(flow.pointee.key.guest)
        }
        if flags.contains(.rst) {
            guard acceptable else { return }
            counters.add(.tcpRefused)
            return abort(flow, towardGuest: false, towardHost: true)
        }
        guard flags.contains(.syn), let options = TCPOptions.parse(header.options) else { return }
        acceptOptions(flow, options, of: header)
        // What our SYN promised counts from the guest's first octet, now that it is known.
        let promised = Int(flow.pointee.rcvEdge.distance(from: flow.pointee.rcvNxt))
        flow.pointee.initialReceive = header.sequence
        flow.pointee.rcvNxt = header.sequence.advanced(by: 1)
        flow.pointee.rcvEdge = flow.pointee.rcvNxt.advanced(by: promised)
        // The window of a segment with SYN is never scaled.
        flow.pointee.sndWindow = UInt32(header.window)
        flow.pointee.sndWindowMaximum = flow.pointee.sndWindow
        flow.pointee.sndWl1 = header.sequence
        flow.pointee.sndWl2 = header.acknowledgement
        flow.pointee.heardAt = now
        flow.pointee.watch.lookAt = 0
        if acceptable {
            flow.pointee.sndUna = header.acknowledgement
            establish(flow)
            oweAcknowledgement(flow, urgent: true)
            beginReceiving(flow)
        } else {
            // Both sides have sent SYN: simultaneous open (RFC 9293 §3.5, figure 8).
            flow.pointee.state = .synReceived
            sendSYN(flow)
        }
    }

    mutating func establish(_ flow: UnsafeMutablePointer<TCPConnection>) {
        flow.pointee.state = .established
        flow.pointee.retransmissions = 0
        flow.pointee.retransmitAt = 0
        endHalfOpen(flow)
        armTimer(flow)
    }

    /// RFC 9293 §3.10.7.4. True when the lease was kept.
    @inline(__always)
    private mutating func receiveSynchronised(
        _ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader, _ summary: FrameSummary, _ lease: Lease
    ) -> Bool {
        let flags = header.flags
        let length = Int(summary.payloadLength)
        let sequence = header.sequence
        let extent = length &+ (flags.contains(.syn) ? 1 : 0) &+ (flags.contains(.fin) ? 1 : 0)
        // RFC 7323 §5.2: a reset is not judged by its timestamps.
        if flow.pointee.optionLength != 0, !flags.contains(.rst) {
            guard isTimely(flow, header) else { return false }
        }
        guard isAcceptable(flow, sequence, extent) else {
            answerUnacceptable(flow, header)
            return false
        }
        if flags.contains(.rst) {
            receiveReset(flow, sequence)
            return false
        }
        if flow.pointee.optionLength != 0 { flow.pointee.timestamps.noteAcceptable(at: sequence, now: now) }
        if flags.contains(.syn) {
            challenge(flow)
            return false
        }
        guard flags.contains(.ack) else { return false }
        flow.pointee.heardAt = now
        flow.pointee.keepaliveProbes = 0
        if flow.pointee.state == .synReceived {
            guard header.acknowledgement == flow.pointee.sndNxt else {
                sendBare(flow, sequence: header.acknowledgement, flags: .rst)
                return false
            }
            finishHandshake(flow, header)
        } else {
            let handle = connections.handle(ofSlot: connections.slot(of: flow))
            receiveAcknowledgement(flow, header, payloadLength: extent)
            // The acknowledgement of our FIN may have been the connection's last event.
            guard connections.pointer(to: handle) != nil else { return false }
        }
        var kept = false
        if length > 0 && flow.guestMaySend && !flow.pointee.marks.contains(.guestFinished) {
            if flags.contains(.urg) { noteUrgent(flow, header) }
            if summary.trafficClass & 0xFC != flow.pointee.classFromGuest { classify(flow, summary.trafficClass) }
            kept = receivePayload(
                flow, sequence, lease, offset: Int(summary.payloadOffset) &+ VirtioNetHeader.length, length: length,
                isPushed: flags.contains(.psh) && length < TCPBounds.bulk)
        } else if length > 0 {
            // Data after FIN: there is nothing left to do with it but to say so.
            oweAcknowledgement(flow, urgent: true)
        }
        if flags.contains(.fin) && !flow.pointee.marks.contains(.guestFinished) {
            receiveFIN(flow, at: sequence.advanced(by: length))
        } else if flow.pointee.marks.contains(.finPending) && flow.pointee.finSequence == flow.pointee.rcvNxt {
            flow.pointee.marks.remove(.finPending)
            guestFinished(flow)
        }
        return kept
    }

    /// The acknowledgement of our SYN has come.
    private mutating func finishHandshake(_ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader) {
        flow.pointee.sndUna = header.acknowledgement
        // The window of a segment with SYN is never scaled.
        let isScaled = flow.pointee.marks.contains(.scaling) && !header.flags.contains(.syn)
        flow.pointee.sndWindow = UInt32(header.window) << UInt32(isScaled ? flow.pointee.sendScale : 0)
        flow.pointee.sndWindowMaximum = flow.pointee.sndWindow
        flow.pointee.sndWl1 = header.sequence
        flow.pointee.sndWl2 = header.acknowledgement
        establish(flow)
        beginReceiving(flow)
    }

    private mutating func receiveFIN(_ flow: UnsafeMutablePointer<TCPConnection>, at sequence: SequenceNumber) {
        guard flow.guestMaySend else { return }
        if sequence == flow.pointee.rcvNxt {
            flow.pointee.marks.remove(.finPending)
            guestFinished(flow)
        } else if flow.pointee.rcvNxt.precedes(sequence) {
            flow.pointee.marks.insert(.finPending)
            flow.pointee.finSequence = sequence
            oweAcknowledgement(flow, urgent: true)
        }
    }

    /// The four cases of RFC 9293 §3.10.7.4, first check. An empty segment just at the window's edge, which a guest sends
    /// that has filled the window, is taken for what it acknowledges.
    @inline(__always)
    private mutating func isAcceptable(
        _ flow: UnsafeMutablePointer<TCPConnection>, _ sequence: SequenceNumber, _ extent: Int
    ) -> Bool {
        let rcvNxt = flow.pointee.rcvNxt
        let window = UInt32(bitPattern: max(0, flow.pointee.rcvEdge.distance(from: rcvNxt)))
        if extent == 0 {
            return sequence.isInside(windowStartingAt: rcvNxt, size: window &+ 1)
        }
        // With a closed window a segment at its edge may still bring an acknowledgement.
        if window == 0 { return sequence == rcvNxt }
        return sequence.isInside(windowStartingAt: rcvNxt, size: window)
            || sequence.advanced(by: extent - 1).isInside(windowStartingAt: rcvNxt, size: window)
            || (!rcvNxt.precedes(sequence) && rcvNxt.precedes(sequence.advanced(by: extent)))
    }

    private mutating func answerUnacceptable(_ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader) {
        if header.flags.contains(.rst) { return }
        if flow.pointee.state == .synReceived && header.flags.contains(.syn)
            && header.sequence == flow.pointee.initialReceive
        {
            guard header.flags.contains(.ack), header.acknowledgement == flow.pointee.sndNxt else {
                // The guest did not get our SYN-ACK.
                return sendSYN(flow)
            }
            // The last step of a simultaneous open (RFC 9293 §3.5, figure 8).
            flow.pointee.heardAt = now
            finishHandshake(flow, header)
            return oweAcknowledgement(flow, urgent: true)
        }
        if flow.pointee.state == .timeWait {
            flow.pointee.endAt = now &+ TCPBounds.timeWait
        }
        if flow.pointee.rcvEdge.precedes(header.sequence) { counters.add(.tcpBeyondWindow) }
        flow.pointee.heardAt = now
        flow.pointee.keepaliveProbes = 0
        if header.flags.contains(.syn) { return challenge(flow) }
        if receiveProbe(flow, header) {
            return receiveAcknowledgement(flow, header, payloadLength: 1)
        }
        // An empty segment may itself be the answer to one of ours. Two ends that have lost each other, as when one was
        // set back to an earlier state, must not answer each other for ever.
        let isEmpty = header.payload.isEmpty && !header.flags.contains(.fin)
        if !isEmpty || mayChallenge(flow) { oweAcknowledgement(flow, urgent: true) }
        // A segment left of the window may still acknowledge: both sides may have probed at once.
        if header.flags.contains(.ack) && flow.pointee.state != .synReceived {
            receiveAcknowledgement(flow, header, payloadLength: 1)
        }
    }

    /// Whether a segment has the timestamp that was agreed, and a recent one; it is noted.
    @inline(__always)
    private mutating func isTimely(_ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader) -> Bool {
        guard let stamp = header.timestamps else {
            // RFC 7323 §3.2: who has agreed to timestamps sends none without.
            counters.add(.tcpTimestampsMissing)
            return false
        }
        if flow.pointee.timestamps.isRecent(stamp.value) { return true }
        return mayBeTimely(flow, header)
    }

    /// RFC 7323 §5.3 R1: a segment from long ago, or of a guest that has begun anew, is dropped and answered.
    @inline(never)
    private mutating func mayBeTimely(_ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader) -> Bool {
        if flow.pointee.timestamps.areOutdated(now: now) { return true }
        counters.add(.tcpOldTimestamps)
        // Two ends that answer each other's answers must not do so for ever.
        let brings = !header.flags.contains(.syn) && (!header.payload.isEmpty || header.flags.contains(.fin))
        if brings || mayChallenge(flow) { oweAcknowledgement(flow, urgent: true) }
        return false
    }

    /// RFC 5961 §3.2: only the exact next number resets; another one inside the window is challenged.
    private mutating func receiveReset(_ flow: UnsafeMutablePointer<TCPConnection>, _ sequence: SequenceNumber) {
        guard sequence == flow.pointee.rcvNxt else { return challenge(flow) }
        if flow.pointee.state == .timeWait || flow.pointee.state == .draining {
            // Both ends have heard all; a late RST must not cost the host the octets it has yet to take (RFC 1337).
            return forgetGuest(flow)
        }
        counters.add(flow.pointee.state == .synReceived ? .tcpRefused : .tcpResetByGuest)
        abort(flow, towardGuest: false, towardHost: true)
    }

    /// RFC 5961 §7.
    private mutating func challenge(_ flow: UnsafeMutablePointer<TCPConnection>) {
        guard mayChallenge(flow) else { return }
        sendBare(flow, sequence: flow.pointee.sndNxt, flags: .ack)
    }

    /// Whether the connection's allowance permits one more answer to what asks for none; it is spent, and counted.
    mutating func mayChallenge(_ flow: UnsafeMutablePointer<TCPConnection>) -> Bool {
        guard now &- flow.pointee.challengedAt >= TCPBounds.challengeInterval || flow.pointee.challengedAt == 0
        else { return false }
        flow.pointee.challengedAt = now
        counters.add(.tcpChallengeAcknowledgements)
        return true
    }

    // MARK: Payload

    /// Parks payload or holds it out of order. True when the lease was kept.
    @inline(__always)
    private mutating func receivePayload(
        _ flow: UnsafeMutablePointer<TCPConnection>, _ start: SequenceNumber, _ lease: Lease, offset: Int, length: Int,
        isPushed: Bool
    ) -> Bool {
        var start = start
        var offset = offset
        var length = length
        let old = Int(flow.pointee.rcvNxt.distance(from: start))
        if old > 0 {
            counters.add(.tcpDuplicateOctets, min(old, length))
            oweAcknowledgement(flow, urgent: true)
            guard old < length else { return false }
            start = flow.pointee.rcvNxt
            offset &+= old
            length &-= old
        }
        let beyond = Int(start.advanced(by: length).distance(from: flow.pointee.rcvEdge))
        if beyond > 0 {
            counters.add(.tcpBeyondWindow)
            oweAcknowledgement(flow, urgent: true)
            guard beyond < length else { return false }
            length &-= beyond
        }
        let state = space.state(of: lease)
        state.pointee.offset = UInt32(truncatingIfNeeded: offset)
        state.pointee.length = UInt32(truncatingIfNeeded: length)
        state.pointee.sequence = start.rawValue
        if start == flow.pointee.rcvNxt {
            let kept = park(flow, lease)
            if !flow.pointee.outOfOrder.isNone { parkContiguous(flow) }
            if isPushed {
                if !withhold(flow, length: length) { oweAcknowledgement(flow) }
            } else {
                flow.pointee.marks.remove(.withholds)
                oweAcknowledgement(flow)
            }
            requestSend(flow)
            return kept
        }
        oweAcknowledgement(flow, urgent: true)
        return holdOutOfOrder(flow, lease)
    }
}
