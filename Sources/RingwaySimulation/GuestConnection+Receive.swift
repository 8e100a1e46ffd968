/// Processes segments from the stack, in the order of RFC 9293 §3.10.7.
extension GuestConnection {
    func receive(_ segment: Segment, in frame: [UInt8]) {
        switch phase {
        case .synSent: receiveInSynSent(segment)
        case .over: break
        default: receiveSynchronised(segment, frame)
        }
    }

    private func receiveInSynSent(_ segment: Segment) {
        if segment.flags.contains(.ack), segment.acknowledgement != wire(1) {
            if !segment.flags.contains(.rst) { sendReset(at: segment.acknowledgement) }
            return
        }
        if segment.flags.contains(.rst) {
            if segment.flags.contains(.ack) { finish(.refused) }
            return
        }
        guard segment.flags.isSuperset(of: [.syn, .ack]) else { return }
        takeOptions(segment)
        if segment.windowScale != nil && behavior.windowScale == nil { complain("window scale without being offered") }
        if segment.permitsSACK && !behavior.permitsSACK { complain("SACK permitted without being offered") }
        if (segment.stamp != nil) != behavior.offersTimestamps { complain("timestamps other than what was offered") }
        if let fault = stamps?.fault(in: segment) { complain(fault) }
        peerInitialSequence = segment.sequence
        rcvNxt = 1
        rcvEdge = 1 + min(65_535, behavior.receiveBuffer)
        sndUna = 1
        peerEdge = 1 + segment.window
        lastSegmentAt = now
        becomeOpen()
        sendAcknowledgement()
    }

    private func receiveSynchronised(_ segment: Segment, _ frame: [UInt8]) {
        if !segment.flags.contains(.rst), let stamps {
            guard let stamp = segment.stamp else { return complain("a segment without timestamps") }
            if stamps.isOld(stamp) { return sendAcknowledgement() }
        }
        let start = peerPosition(segment.sequence)
        let window = rcvEdge - rcvNxt
        let last = start + max(0, segment.extent - 1)
        let isAcceptable =
            window == 0
            ? start == rcvNxt : (start >= rcvNxt && start < rcvEdge) || (last >= rcvNxt && last < rcvEdge)
        guard isAcceptable else {
            if segment.flags.contains(.rst) { return }
            lastSegmentAt = now
            silentProbes = 0
            if segment.extent == 0, start == rcvEdge {
                // As in Linux, an empty segment that starts exactly at the window's right edge is not acceptable, but
                // its acknowledgement is processed.
                takeAcknowledgement(segment)
            }
            if phase == .synReceived && segment.flags == .syn { return sendSYN() }
            checkOldPayload(segment, frame, start)
            return sendAcknowledgement()
        }
        if !segment.flags.contains(.rst), let stamp = segment.stamp {
            if let fault = stamps?.fault(in: segment) { return complain(fault) }
            stamps?.note(stamp, at: segment.sequence)
        }
        if segment.flags.contains(.rst) {
            if start == rcvNxt { finish(phase == .timeWait ? .clean : .reset) } else { sendAcknowledgement() }
            return
        }
        if segment.flags.contains(.syn) { return sendAcknowledgement() }
        guard segment.flags.contains(.ack) else { return complain("a segment without ACK") }
        lastSegmentAt = now
        silentProbes = 0
        if phase == .synReceived {
            guard segment.acknowledgement == wire(1) else { return sendReset(at: segment.acknowledgement) }
            sndUna = 1
            becomeOpen()
        }
        takeAcknowledgement(segment)
        takePayload(segment, frame, start)
        if phase == .open, finIsAcknowledged, peerHasFinished { bothEnded() }
        if phase == .open { transmit() }
        if needsAcknowledgement { acknowledgeSoon() }
    }

    /// Checks that retransmitted bytes are the same as before.
    private func checkOldPayload(_ segment: Segment, _ frame: [UInt8], _ start: Int) {
        guard segment.payload.count > 0, start >= 1, start + segment.payload.count <= rcvEdge else { return }
        check(frame, segment.payload, at: start)
    }

    private func check(_ frame: [UInt8], _ payload: Range<Int>, at position: Int) {
        let mismatch = frame.withUnsafeBytes { bytes -> Int? in
            guard let base = bytes.baseAddress else { return nil }
            return script.toGuest.firstMismatch(base + payload.lowerBound, payload.count, from: position - 1)
        }
        if let mismatch { complain("byte \(mismatch) of the stream to the guest is wrong") }
        if position - 1 + payload.count > script.hostBytes { complain("more bytes than the host sent") }
    }

    // MARK: Payload

    private func takePayload(_ segment: Segment, _ frame: [UInt8], _ start: Int) {
        let end = start + segment.payload.count
        if end > rcvEdge { complain("data up to \(end), beyond the window's edge \(rcvEdge)") }
        if segment.payload.count > 0 {
            check(frame, segment.payload, at: start)
            if script.disturbance == .guestCloses, hasClosed, end > rcvNxt {
                // The application has closed, so data is answered with RST (RFC 9293 §3.6.1, RFC 1122 §4.2.2.13).
                send([.rst, .ack], at: sndNxt, 0)
                return finish(.abandoned)
            }
            needsAcknowledgement = true
            if start != rcvNxt || end <= rcvNxt { acknowledgeAt = now }
            if start > rcvNxt, random.chance(behavior.renegeChance) { arrived.removeAll() }
            arrived.insert(max(start, rcvNxt)..<max(end, rcvNxt))
            latest = start
            unacknowledgedSegments += 1
        }
        if segment.flags.contains(.fin) {
            if let known = peerFinished, known != end { complain("FIN at \(end) after FIN at \(known)") }
            peerFinished = end
            needsAcknowledgement = true
            acknowledgeAt = now
        }
        let before = rcvNxt
        rcvNxt = max(rcvNxt, arrived.contiguousEnd(from: rcvNxt))
        arrived.remove(below: rcvNxt)
        if peerFinished == rcvNxt {
            rcvNxt += 1
            rcvEdge = max(rcvEdge, rcvNxt)
            scheduleRead()
        }
        if rcvNxt > before { scheduleRead() }
    }

    private func bothEnded() {
        // The end that closed first enters TIME-WAIT (RFC 9293 §3.6).
        if endedFirst {
            phase = .timeWait
            endAt = now + 60_000_000_000
            retransmitAt = nil
            probeAt = nil
        } else {
            if needsAcknowledgement { sendAcknowledgement() }
            finish(.clean)
        }
    }

    private func acknowledgeSoon() {
        if acknowledgeAt == now || behavior.acknowledgementDelay == 0 || unacknowledgedSegments >= 2 {
            return sendAcknowledgement()
        }
        if acknowledgeAt == nil { acknowledgeAt = now + behavior.acknowledgementDelay }
    }

    // MARK: Acknowledgements

    private func takeAcknowledgement(_ segment: Segment) {
        let position = ownPosition(segment.acknowledgement)
        if position > sndMax { return complain("\(position) is acknowledged, \(sndMax) was sent") }
        guard position >= sndUna else { return }
        let edge = position + segment.window << peerScale
        let windowMoved = edge != peerEdge
        peerEdge = max(peerEdge, edge)
        if peerEdge > sndNxt { probeAt = nil }
        if peerPermitsSACK && behavior.honorsSACK {
            for block in segment.blocks {
                let start = ownPosition(block.start)
                let end = ownPosition(block.end)
                guard start >= position, start < end, end <= sndMax else { continue }
                held.insert(start..<end)
            }
        }
        if position > sndUna {
            sndUna = position
            sndNxt = max(sndNxt, position)
            held.remove(below: position)
            duplicates = 0
            timeouts = 0
            retransmitAt = sndUna < sndMax ? now + currentTimeout : nil
            if let until = recoversUntil {
                if position >= until {
                    recoversUntil = nil
                } else {
                    // A partial acknowledgement indicates the next loss (RFC 6582).
                    resendLost(from: position)
                }
            }
        } else if segment.extent == 0, sndUna < sndMax, !windowMoved || !segment.blocks.isEmpty {
            duplicates += 1
            if duplicates >= 3, recoversUntil == nil, behavior.retransmitsFast {
                recoversUntil = sndMax
                resentUntil = sndUna
                resendLost(from: sndUna)
            } else if recoversUntil != nil, !held.isEmpty {
                resendLost(from: max(resentUntil, sndUna))
            }
        }
    }
}
