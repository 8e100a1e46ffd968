internal import RingwayModel

/// Sends segments to the stack.
extension GuestConnection {
    var currentTimeout: UInt64 { min(behavior.shortestTimeout << UInt64(min(timeouts, 8)), 60_000_000_000) }

    /// The most bytes of payload in one segment.
    private var segmentSize: Int { max(64, min(peerSegmentSize, 65_000) - (stamps == nil ? 0 : 12)) }

    /// Sends what the window and the application permit.
    func transmit() {
        while phase == .open {
            let limit = min(peerEdge, sndUna + behavior.congestionWindow)
            let room = limit - sndNxt
            if sndNxt < dataEnd {
                guard room > 0 else { break }
                let pending = dataEnd - sndNxt
                let most = max(
                    segmentSize, min(65_000, segmentSize * behavior.segmentsPerFrame) / segmentSize * segmentSize)
                let count = min(room, pending, most)
                if behavior.holdsBackSmallSegments, count < segmentSize, sndUna < sndNxt, !hasClosed || count < pending
                {
                    break
                }
                let takesFIN = hasClosed && count == pending && (room > count || behavior.finIgnoresWindow)
                send(takesFIN ? [.ack, .psh, .fin] : [.ack, .psh], at: sndNxt, count)
                advance(to: sndNxt + count + (takesFIN ? 1 : 0))
            } else if hasClosed, sndNxt == dataEnd {
                guard room > 0 || behavior.finIgnoresWindow else { break }
                send([.fin, .ack], at: sndNxt, 0)
                advance(to: sndNxt + 1)
            } else {
                break
            }
        }
        startProbing()
    }

    private func advance(to position: Int) {
        sndNxt = position
        sndMax = max(sndMax, position)
        if retransmitAt == nil { retransmitAt = now + currentTimeout }
        // If the guest's FIN precedes the peer's, the guest is the end that closed first.
        if finIsSent, !endedFirstIsKnown {
            endedFirstIsKnown = true
            endedFirst = !peerHasFinished
        }
    }

    // MARK: Loss

    func timeOut() {
        retransmitAt = nil
        timeouts += 1
        switch phase {
        case .synSent, .synReceived:
            // Six retries, the default of Linux's tcp_syn_retries: about two minutes.
            guard timeouts <= 6 else { return finish(.gaveUp) }
            sendSYN()
            retransmitAt = now + 1_000_000_000 << UInt64(timeouts)
            return
        case .open:
            guard sndUna < sndMax else { return }
            guard timeouts <= 30 else { return finish(.gaveUp) }
            held.removeAll()
            recoversUntil = sndMax
            duplicates = 0
            resentUntil = sndUna
            if behavior.goesBackN {
                sndNxt = sndUna
                recoversUntil = nil
                if min(peerEdge, sndUna + behavior.congestionWindow) > sndUna || finIsSent { transmit() }
            }
            if sndNxt > sndUna || !behavior.goesBackN { resend(sndUna..<sndMax) }
        case .timeWait, .over:
            return
        }
        retransmitAt = now + currentTimeout
    }

    /// Retransmits at most one segment, from the first range at or after `position` that no SACK block covers.
    func resendLost(from position: Int) {
        let limit = held.ranges.last?.upperBound ?? min(sndMax, position + segmentSize)
        guard position < limit, let gap = held.firstGap(in: position..<limit) else { return }
        resend(gap)
    }

    private func resend(_ range: Range<Int>) {
        let end = min(range.upperBound, range.lowerBound + segmentSize)
        let dataUpTo = min(end, dataEnd)
        let count = max(0, dataUpTo - range.lowerBound)
        let withFIN = finIsSent && end > dataEnd
        guard count > 0 || withFIN else { return }
        send(withFIN ? [.ack, .psh, .fin] : [.ack, .psh], at: range.lowerBound, count)
        resentUntil = end
        if retransmitAt == nil { retransmitAt = now + currentTimeout }
    }

    private func startProbing() {
        let hasMore = sndNxt < dataEnd || (hasClosed && !finIsSent)
        guard phase == .open, hasMore, sndUna == sndMax, peerEdge <= sndNxt, probeAt == nil else { return }
        probeInterval = behavior.shortestTimeout
        probeAt = now + probeInterval
    }

    func probe() {
        probeAt = nil
        guard phase == .open, peerEdge <= sndNxt else { return }
        if behavior.probesWithData, sndNxt < dataEnd {
            send([.ack, .psh], at: sndNxt, 1)
            sndMax = max(sndMax, sndNxt + 1)
        } else {
            send(.ack, at: sndUna - 1, 0)
        }
        probeInterval = min(probeInterval * 2, 60_000_000_000)
        probeAt = now + probeInterval
    }

    // MARK: Windows and acknowledgements

    /// The value of the window field. Records in `rcvEdge` the right edge that the field announces.
    private func windowField() -> Int {
        let free = max(0, behavior.receiveBuffer - (received - bytesRead))
        var edge = rcvNxt + free
        if behavior.avoidsSillyWindows, edge - rcvEdge < min(behavior.receiveBuffer / 2, segmentSize) { edge = rcvEdge }
        edge = max(edge, rcvEdge)
        let field = min(65_535, (edge - rcvNxt) >> ownScale)
        rcvEdge = max(rcvEdge, rcvNxt + field << ownScale)
        return field
    }

    /// Called when the application has read: advertises the window if it has grown enough.
    func announceWindow() {
        guard phase == .open, !peerHasFinished else { return }
        let free = behavior.receiveBuffer - (received - bytesRead)
        let told = rcvEdge - rcvNxt
        if free - told >= min(behavior.receiveBuffer / 2, 2 * segmentSize) || (told == 0 && free > 0) {
            sendAcknowledgement()
        }
    }

    func sendAcknowledgement() {
        guard phase != .synSent, phase != .over else { return }
        send(.ack, at: sndNxt, 0)
    }

    func sendReset(at sequence: UInt32) {
        var segment = Segment()
        segment.sequence = sequence
        segment.flags = .rst
        emit(segment, payloadFrom: 0, count: 0)
    }

    func sendSYN() {
        var segment = Segment()
        segment.sequence = wire(0)
        segment.maximumSegmentSize = behavior.maximumSegmentSize
        segment.windowScale = behavior.windowScale
        segment.permitsSACK = behavior.permitsSACK
        segment.window = min(65_535, behavior.receiveBuffer)
        segment.flags = .syn
        if phase == .synReceived {
            segment.flags = [.syn, .ack]
            segment.acknowledgement = peerWire(1)
            segment.permitsSACK = peerPermitsSACK
            rcvEdge = max(rcvEdge, 1 + segment.window)
        }
        emit(segment, payloadFrom: 0, count: 0)
    }

    func send(_ flags: Segment.Flags, at position: Int, _ count: Int) {
        var segment = Segment()
        segment.flags = flags
        segment.sequence = wire(position)
        segment.acknowledgement = peerWire(rcvNxt)
        segment.window = windowField()
        if peerPermitsSACK, count == 0, flags == .ack {
            let ordered = arrived.ranges.sorted { first, _ in first.contains(latest) }
            segment.blocks = ordered.prefix(3).map {
                SACKBounds(start: peerWire($0.lowerBound), end: peerWire($0.upperBound))
            }
        }
        emit(segment, payloadFrom: position, count: count)
        needsAcknowledgement = false
        acknowledgeAt = nil
        unacknowledgedSegments = 0
    }

    /// Queues the segment as a frame.
    private func emit(_ segment: Segment, payloadFrom position: Int, count: Int) {
        var segment = segment
        segment.sourcePort = Int(script.guest.port)
        segment.destinationPort = Int(script.remote.port)
        if !segment.flags.contains(.rst) {
            segment.stamp = stamps?.next(
                now: now, acknowledging: segment.flags.contains(.ack) ? segment.acknowledgement : nil)
        }
        let options = segment.options(padFirst: behavior.padsOptionsFirst)
        let builder = GuestFrameBuilder(script: script, segmentSize: segmentSize)
        let frame = builder.frame(
            segment, options: options, payloadLength: count,
            leavesChecksum: behavior.leavesChecksum || count > segmentSize
        ) { target in
            script.toHost.fill(target, count, from: position - 1)
        }
        outbox.append(frame)
    }
}
