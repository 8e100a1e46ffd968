internal import RingwayStorage
internal import RingwayWire

/// What the guest's acknowledgements say: data that arrived, data that was lost, and how much more may be sent.
extension Stack {
    mutating func receiveAcknowledgement(
        _ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader, payloadLength: Int
    ) {
        let acknowledgement = header.acknowledgement
        let advance = acknowledgement.distance(from: flow.pointee.sndUna)
        if flow.pointee.sndNxt.precedes(acknowledgement) {
            // Something we never sent is acknowledged. The guest may say so for as long as we answer (RFC 5961 §5); for
            // octets that come along an acknowledgement is owed anyhow.
            if mayChallenge(flow) { oweAcknowledgement(flow, urgent: true) }
            return
        }
        let scale = flow.pointee.marks.contains(.scaling) ? UInt32(flow.pointee.sendScale) : 0
        let window = UInt32(header.window) &<< scale
        let sameWindow = window == flow.pointee.sndWindow
        if advance >= 0 { updateWindow(flow, header, window) }
        var newlyHeld = false
        // The options of every segment hold no blocks.
        if flow.pointee.marks.contains(.sack), header.options.count > Int(flow.pointee.optionLength), advance >= 0 {
            newlyHeld = readBlocks(flow, header)
        }
        if advance > 0 {
            if flow.pointee.marks.contains(.recovering) { measureByEcho(flow, header) }
            advanceUnacknowledged(flow, to: acknowledgement, octets: UInt32(advance))
        } else if advance == 0, payloadLength == 0, flow.flight > 0, sameWindow || newlyHeld {
            countDuplicate(flow)
        }
        if flow.pointee.marks.contains(.recovering) { retransmitLost(flow) }
        let finIsAcknowledged =
            flow.pointee.marks.contains(.finSent) && flow.pointee.sndUna == flow.pointee.sndNxt
        if finIsAcknowledged && flow.pointee.state != .finWait2 && flow.pointee.state != .timeWait
            && flow.pointee.state != .draining
        {
            return finAcknowledged(flow)
        }
        requestReceive(flow)
    }

    /// RFC 9293 §3.10.7.4, SND.WL1 and SND.WL2. A segment that acknowledges more than any before it is newer whatever its
    /// sequence number says: the window it tells counts from its own acknowledgement, and so does no older one.
    @inline(__always)
    private mutating func updateWindow(
        _ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader, _ window: UInt32
    ) {
        let newer =
            flow.pointee.sndUna.precedes(header.acknowledgement)
            || flow.pointee.sndWl1.precedes(header.sequence)
            || (flow.pointee.sndWl1 == header.sequence
                && !header.acknowledgement.precedes(flow.pointee.sndWl2))
        guard newer else { return }
        flow.pointee.sndWindow = window
        flow.pointee.sndWindowMaximum = max(flow.pointee.sndWindowMaximum, window)
        flow.pointee.sndWl1 = header.sequence
        flow.pointee.sndWl2 = header.acknowledgement
        if window > 0 {
            flow.pointee.probeAt = 0
            flow.pointee.probeInterval = 0
        }
    }

    /// Notes SACK blocks; true when they say something new.
    private mutating func readBlocks(_ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader) -> Bool {
        guard let options = TCPOptions.parse(header.options), options.sackBlockCount > 0 else { return false }
        let before = flow.pointee.scoreboard.octets(from: flow.pointee.sndUna, to: flow.pointee.sndNxt)
        for index in 0..<options.sackBlockCount {
            let block = options.sackBlocks[index]
            // Only what lies in flight is believed (RFC 6675 §2, and D-SACK below the edge is ignored).
            guard block.start.precedes(block.end), !block.start.precedes(header.acknowledgement),
                !block.start.precedes(flow.pointee.sndUna), !flow.pointee.sndNxt.precedes(block.end)
            else { continue }
            flow.pointee.scoreboard.insert(start: block.start, end: block.end)
        }
        return flow.pointee.scoreboard.octets(from: flow.pointee.sndUna, to: flow.pointee.sndNxt) > before
    }

    private mutating func advanceUnacknowledged(
        _ flow: UnsafeMutablePointer<TCPConnection>, to acknowledgement: SequenceNumber, octets: UInt32
    ) {
        flow.pointee.sndUna = acknowledgement
        flow.pointee.octetsToGuest &+= UInt64(octets)
        flow.pointee.duplicateAcknowledgements = 0
        flow.pointee.retransmissions = 0
        if !flow.pointee.scoreboard.isEmpty { flow.pointee.scoreboard.acknowledge(upTo: acknowledgement) }
        // Leases that are acknowledged whole go home.
        while !flow.pointee.unacked.isEmpty {
            let first = flow.pointee.unacked.head
            let state = space.state(of: first)
            let end = SequenceNumber(state.pointee.sequence &+ state.pointee.length)
            if acknowledgement.precedes(end) { break }
            _ = flow.pointee.unacked.popFirst(in: space)
            release(first)
        }
        if flow.pointee.marks.contains(.timing), !acknowledgement.precedes(flow.pointee.timedSequence) {
            flow.pointee.marks.remove(.timing)
            measureRoundTrip(flow, now &- flow.pointee.timedAt)
        }
        if flow.pointee.marks.contains(.recovering) {
            if flow.pointee.retransmitNext.precedes(acknowledgement) {
                flow.pointee.retransmitNext = acknowledgement
            }
            if !acknowledgement.precedes(flow.pointee.recover) {
                endRecovery(flow)
            } else {
                if flow.pointee.marks.contains(.timedOut) {
                    growCongestionWindow(flow, octets)
                } else if !flow.pointee.marks.contains(.sack) {
                    // RFC 6582: a partial acknowledgement names the next loss.
                    flow.pointee.retransmitNext = acknowledgement
                    flow.pointee.lossEdge = acknowledgement.advanced(by: Int(flow.pointee.segmentSize))
                } else if !flow.pointee.lossEdge.isAtOrBeyond(acknowledgement.advanced(by: 1)) {
                    flow.pointee.lossEdge = acknowledgement.advanced(by: Int(flow.pointee.segmentSize))
                }
            }
        } else {
            growCongestionWindow(flow, octets)
        }
        if flow.flight == 0 {
            flow.pointee.retransmitAt = 0
        } else {
            startRetransmissionTimer(flow)
        }
    }

    /// RFC 5681 §3.1.
    @inline(__always)
    private mutating func growCongestionWindow(_ flow: UnsafeMutablePointer<TCPConnection>, _ octets: UInt32) {
        let window = flow.pointee.congestionWindow
        guard window < TCPBounds.largestCongestionWindow else { return }
        if window < flow.pointee.slowStartThreshold {
            flow.pointee.congestionWindow = window &+ octets
        } else {
            let segment = UInt64(flow.pointee.segmentSize)
            flow.pointee.congestionWindow =
                window &+ UInt32(max(1, segment &* UInt64(octets) / UInt64(max(1, window))))
        }
    }

    /// RFC 6298 §2.
    private mutating func measureRoundTrip(_ flow: UnsafeMutablePointer<TCPConnection>, _ sample: UInt64) {
        if flow.pointee.smoothedRoundTrip == 0 {
            flow.pointee.smoothedRoundTrip = max(1, sample)
            flow.pointee.roundTripVariation = sample / 2
        } else {
            let smoothed = flow.pointee.smoothedRoundTrip
            let difference = smoothed > sample ? smoothed &- sample : sample &- smoothed
            flow.pointee.roundTripVariation = (3 &* flow.pointee.roundTripVariation &+ difference) / 4
            flow.pointee.smoothedRoundTrip = max(1, (7 &* smoothed &+ sample) / 8)
        }
        let timeout = flow.pointee.smoothedRoundTrip &+ max(1_000_000, 4 &* flow.pointee.roundTripVariation)
        flow.pointee.retransmissionTimeout = min(
            max(timeout, TCPBounds.shortestRetransmission), TCPBounds.longestRetransmission)
    }

    /// A segment that was sent twice measures nothing (Karn), unless the guest says which of the two it has (RFC 7323 §4).
    @inline(never)
    private mutating func measureByEcho(_ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader) {
        guard flow.pointee.optionLength != 0, let echo = header.timestamps?.echo,
            let age = flow.pointee.timestamps.age(ofEcho: echo, now: now)
        else { return }
        measureRoundTrip(flow, age)
    }

    // MARK: Loss

    private mutating func countDuplicate(_ flow: UnsafeMutablePointer<TCPConnection>) {
        if flow.pointee.duplicateAcknowledgements < .max { flow.pointee.duplicateAcknowledgements += 1 }
        if flow.pointee.marks.contains(.recovering) {
            if !flow.pointee.marks.contains(.timedOut) && flow.pointee.marks.contains(.sack)
                && !flow.pointee.scoreboard.isEmpty
            {
                let highest = flow.pointee.scoreboard.highest
                if flow.pointee.lossEdge.precedes(highest) { flow.pointee.lossEdge = highest }
            }
            return
        }
        let heldEnough =
            !flow.pointee.scoreboard.isEmpty
            && flow.pointee.scoreboard.octets(from: flow.pointee.sndUna, to: flow.pointee.sndNxt)
                >= 2 * UInt32(flow.pointee.segmentSize)
        guard flow.pointee.duplicateAcknowledgements >= 3 || heldEnough else { return }
        counters.add(.tcpFastRetransmits)
        let segment = UInt32(flow.pointee.segmentSize)
        flow.pointee.slowStartThreshold = max(flow.flight / 2, 2 * segment)
        flow.pointee.congestionWindow = flow.pointee.slowStartThreshold
        flow.pointee.recover = flow.pointee.sndNxt
        flow.pointee.retransmitNext = flow.pointee.sndUna
        flow.pointee.lossEdge =
            flow.pointee.scoreboard.isEmpty
            ? flow.pointee.sndUna.advanced(by: Int(segment)) : flow.pointee.scoreboard.highest
        flow.pointee.marks.insert(.recovering)
        flow.pointee.marks.remove(.timedOut)
    }

    /// The retransmission timer ran out: everything in flight is taken for lost (RFC 6298 §5, RFC 5681 §3.1).
    mutating func beginTimeoutRecovery(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let segment = UInt32(flow.pointee.segmentSize)
        if !flow.pointee.marks.contains(.timedOut) {
            flow.pointee.slowStartThreshold = max(flow.flight / 2, 2 * segment)
        }
        flow.pointee.congestionWindow = segment
        // RFC 2018 §8: after a time-out the guest may have forgotten what it reported.
        flow.pointee.scoreboard.removeAll()
        flow.pointee.recover = flow.pointee.sndNxt
        flow.pointee.lossEdge = flow.pointee.sndNxt
        flow.pointee.retransmitNext = flow.pointee.sndUna
        flow.pointee.duplicateAcknowledgements = 0
        flow.pointee.marks.insert([.recovering, .timedOut])
        flow.pointee.marks.remove(.timing)
        retransmitLost(flow)
    }

    /// Sends again everything in flight although the network is not loaded: the congestion window stays as it is.
    mutating func resendAll(_ flow: UnsafeMutablePointer<TCPConnection>) {
        flow.pointee.recover = flow.pointee.sndNxt
        flow.pointee.lossEdge = flow.pointee.sndNxt
        flow.pointee.retransmitNext = flow.pointee.sndUna
        flow.pointee.duplicateAcknowledgements = 0
        flow.pointee.marks.insert([.recovering, .timedOut])
        flow.pointee.marks.remove(.timing)
        retransmitLost(flow)
    }

    private mutating func endRecovery(_ flow: UnsafeMutablePointer<TCPConnection>) {
        flow.pointee.marks.subtract([.recovering, .timedOut])
        flow.pointee.scoreboard.removeAll()
        if flow.pointee.congestionWindow < flow.pointee.slowStartThreshold,
            flow.pointee.slowStartThreshold != .max
        {
            flow.pointee.congestionWindow = flow.pointee.slowStartThreshold
        }
    }

    /// Sends again what is lost, as far as the congestion window allows; at least one segment when nothing is in flight.
    mutating func retransmitLost(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let highest = flow.pointee.scoreboard.highest
        if flow.pointee.marks.isDisjoint(with: .timedOut), !flow.pointee.scoreboard.isEmpty,
            flow.pointee.lossEdge.precedes(highest)
        {
            flow.pointee.lossEdge = highest
        }
        // One segment may be more than there is.
        if flow.pointee.sndNxt.precedes(flow.pointee.lossEdge) { flow.pointee.lossEdge = flow.pointee.sndNxt }
        var budget = 16
        while budget > 0, flow.pointee.retransmitNext.precedes(flow.pointee.lossEdge) {
            let una = flow.pointee.sndUna
            let next = flow.pointee.retransmitNext.precedes(una) ? una : flow.pointee.retransmitNext
            let hole = flow.pointee.scoreboard.hole(from: next, limit: flow.pointee.lossEdge)
            guard hole.start.precedes(hole.end) else {
                flow.pointee.retransmitNext = flow.pointee.lossEdge
                return
            }
            // RFC 6675 §4: what is on the way is what was sent again and what lies beyond the losses.
            let beyond = UInt32(bitPattern: max(0, flow.pointee.sndNxt.distance(from: flow.pointee.lossEdge)))
            let again = UInt32(bitPattern: hole.start.distance(from: una))
            let pipe = beyond &+ again &- min(again, flow.pointee.scoreboard.octets(from: una, to: hole.start))
            let segment = UInt32(flow.pointee.segmentSize)
            // The first loss is sent again whatever is on the way (RFC 6675 §5, step 4.3; RFC 6582 §3.2).
            guard hole.start == una || pipe &+ segment <= flow.pointee.congestionWindow else { return }
            let allowed = max(segment, flow.pointee.congestionWindow &- min(pipe, flow.pointee.congestionWindow))
            let sent = resend(flow, from: hole.start, limit: hole.end, octets: Int(allowed))
            guard sent > 0 else { return }
            flow.pointee.retransmitNext = hole.start.advanced(by: sent)
            budget -= 1
        }
    }

    /// Sends one frame again, from `sequence`, no further than `limit` or the end of its lease. Answers its extent.
    private mutating func resend(
        _ flow: UnsafeMutablePointer<TCPConnection>, from sequence: SequenceNumber, limit: SequenceNumber, octets: Int
    ) -> Int {
        var lease = flow.pointee.unacked.head
        while !lease.isNone {
            let state = space.state(of: lease)
            let start = SequenceNumber(state.pointee.sequence)
            let end = start.advanced(by: Int(state.pointee.length))
            if sequence.precedes(end) {
                let room = min(Int(end.distance(from: sequence)), Int(limit.distance(from: sequence)))
                let segment = Int(flow.pointee.segmentSize)
                var length = min(room, octets, Int(flow.pointee.superFramePayload))
                if length > segment, length < room { length -= length % segment }
                if sendPiece(flow, lease, from: sequence, length: length) {
                    counters.add(.tcpRetransmittedFrames)
                    // Karn: a segment sent twice measures nothing.
                    flow.pointee.marks.remove(.timing)
                }
                return length
            }
            lease = state.pointee.next
        }
        // Beyond all payload lies our FIN.
        guard flow.pointee.marks.contains(.finSent) else { return 0 }
        sendBare(flow, sequence: flow.pointee.sndNxt.advanced(by: -1), flags: [.fin, .ack])
        return 1
    }
}

extension SequenceNumber {
    /// Whether this lies at `other` or ahead of it.
    func isAtOrBeyond(_ other: SequenceNumber) -> Bool { !precedes(other) }
}
