internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// Segments from the guest, in the order of RFC 9293 §3.10.7, with the checks of RFC 5961 for RST and SYN.
extension TCP {
    /// Processes a segment. Takes ownership of the lease.
    ///
    /// - Parameter frame: points to the frame's ethernet header.
    @inline(__always)
    mutating func receive(
        _ summary: FrameSummary, _ lease: Lease, _ frame: UnsafeRawPointer, _ core: inout StackCore
    ) {
        let segment = UnsafeRawBufferPointer(
            start: frame + Int(summary.transportOffset),
            count: Int(summary.payloadOffset &- summary.transportOffset) &+ Int(summary.payloadLength))
        guard let header = TCPHeader(segment) else {
            core.counters.addRefused(reason: DropReason.truncatedTCP.rawValue)
            return core.release(lease)
        }
        guard let reference = core.table.find(Self.key(of: summary)), reference.kind == .tcp,
            let flow = connections.pointer(inSlot: reference.slot)
        else {
            if header.flags.contains(.syn) && header.flags.isDisjoint(with: [.ack, .rst, .fin]) {
                openFromGuest(summary, header, frame, &core)
            } else {
                core.counters.add(.droppedUnexpectedSegment)
                refuseSegment(summary, header, &core)
            }
            return core.release(lease)
        }
        switch flow.pointee.state {
        case .connecting: receiveWhileConnecting(flow, header, &core)
        case .synSent: receiveInSynSent(flow, header, &core)
        case .timeWait where restarts(flow, header), .draining where restarts(flow, header):
            forgetGuest(flow, &core)
            openFromGuest(summary, header, frame, &core)
        default:
            if receiveSynchronised(flow, header, summary, lease, &core) { return }
        }
        core.release(lease)
    }

    /// The key of a segment's connection.
    @inline(__always)
    static func key(of summary: FrameSummary) -> FlowKey {
        FlowKey(
            guest: summary.source, guestPort: summary.sourcePort, remote: summary.destination,
            remotePort: summary.destinationPort, transport: .tcp)
    }

    /// Whether a segment is a SYN that may replace a connection in TIME-WAIT or `draining`: its sequence number is
    /// beyond the connection's last, or its timestamp is later (RFC 6191).
    @inline(never)
    private mutating func restarts(_ flow: TCPFlow, _ header: TCPHeader) -> Bool {
        guard header.flags.contains(.syn), header.flags.isDisjoint(with: [.ack, .rst, .fin]) else { return false }
        if flow.pointee.receive.nxt.precedes(header.sequence) { return true }
        guard flow.pointee.optionLength != 0, let stamp = header.timestamps else { return false }
        return flow.pointee.timestamps.precede(stamp.value)
    }

    @inline(never)
    private mutating func receiveWhileConnecting(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) {
        let initial = flow.pointee.receive.initial
        if header.flags.contains(.rst) {
            guard header.sequence == flow.pointee.receive.nxt || header.sequence == initial else { return }
            core.counters.add(.tcpResetByGuest)
            return abort(flow, towardGuest: false, towardHost: true, &core)
        }
        // A repeated SYN is ignored. A SYN with a new sequence number is the guest's next attempt from the same port.
        guard header.flags.contains(.syn), header.sequence != initial else { return }
        guard let options = TCPOptions.parse(header.options) else { return }
        acceptOptions(flow, options, of: header, &core)
        flow.pointee.receive.begin(at: header.sequence)
        flow.pointee.send.takeFirstWindow(header)
    }

    /// A segment arrives in SYN-SENT (RFC 9293 §3.10.7.3).
    @inline(never)
    private mutating func receiveInSynSent(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) {
        let flags = header.flags
        let acceptable = flags.contains(.ack) && header.acknowledgement == flow.pointee.send.nxt
        if flags.contains(.ack) && !acceptable {
            if !flags.contains(.rst) { sendBare(flow, sequence: header.acknowledgement, flags: .rst, &core) }
            return
        }
        if flow.pointee.trust != .certain {
            flow.pointee.trust = .certain
            core.reportShown(flow.pointee.key.guest)
        }
        if flags.contains(.rst) {
            guard acceptable else { return }
            core.counters.add(.tcpRefused)
            return abort(flow, towardGuest: false, towardHost: true, &core)
        }
        guard flags.contains(.syn), let options = TCPOptions.parse(header.options) else { return }
        acceptOptions(flow, options, of: header, &core)
        // The window of the stack's SYN counts from the guest's first byte, which is now known.
        flow.pointee.receive.begin(at: header.sequence)
        flow.pointee.send.takeFirstWindow(header)
        flow.pointee.deadlines.segmentReceived(now: core.now)
        flow.pointee.watch.stopQueries()
        if acceptable {
            flow.pointee.send.una = header.acknowledgement
            establish(flow, &core)
            oweAcknowledgement(flow)
            requestReceive(flow, &core)
        } else {
            // Both sides have sent SYN: simultaneous open (RFC 9293 §3.5, figure 8).
            flow.pointee.state = .synReceived
            sendSYN(flow, &core)
        }
    }

    private mutating func establish(_ flow: TCPFlow, _ core: inout StackCore) {
        flow.pointee.state = .established
        flow.pointee.deadlines.retransmissions = 0
        flow.pointee.deadlines.stop()
        endHalfOpen(flow, &core)
        armTimer(flow, &core)
    }

    /// A segment arrives in SYN-RECEIVED or a later state (RFC 9293 §3.10.7.4). True if the lease was kept.
    @inline(__always)
    private mutating func receiveSynchronised(
        _ flow: TCPFlow, _ header: TCPHeader, _ summary: FrameSummary, _ lease: Lease, _ core: inout StackCore
    ) -> Bool {
        let flags = header.flags
        let length = Int(summary.payloadLength)
        let sequence = header.sequence
        let extent = length &+ (flags.contains(.syn) ? 1 : 0) &+ (flags.contains(.fin) ? 1 : 0)
        // RFC 7323 §5.2: RST is exempt from the timestamp check.
        if flow.pointee.optionLength != 0, !flags.contains(.rst) {
            guard isTimely(flow, header, &core) else { return false }
        }
        guard flow.pointee.receive.isAcceptable(sequence, extent: extent) else {
            answerUnacceptable(flow, header, &core)
            return false
        }
        if flags.contains(.rst) {
            receiveReset(flow, sequence, &core)
            return false
        }
        if flow.pointee.optionLength != 0 { flow.pointee.timestamps.noteAcceptable(at: sequence, now: core.now) }
        if flags.contains(.syn) {
            challenge(flow, &core)
            return false
        }
        guard flags.contains(.ack) else { return false }
        flow.pointee.deadlines.segmentReceived(now: core.now)
        if flow.pointee.state == .synReceived {
            guard header.acknowledgement == flow.pointee.send.nxt else {
                sendBare(flow, sequence: header.acknowledgement, flags: .rst, &core)
                return false
            }
            finishHandshake(flow, header, &core)
        } else {
            let handle = connections.handle(ofSlot: connections.slot(of: flow))
            let isPossible = receiveAcknowledgement(flow, header, payloadLength: extent, &core)
            // The acknowledgement of the stack's FIN may have ended the connection.
            guard isPossible, connections.pointer(to: handle) != nil else { return false }
        }
        // A pure acknowledgement has no data for the host and cannot make an earlier FIN contiguous.
        guard extent > 0 else { return false }
        return receiveText(flow, header, summary, lease, &core)
    }

    /// Payload and FIN: the seventh and eighth check of RFC 9293 §3.10.7.4. True if the lease was kept.
    @inline(__always)
    private mutating func receiveText(
        _ flow: TCPFlow, _ header: TCPHeader, _ summary: FrameSummary, _ lease: Lease, _ core: inout StackCore
    ) -> Bool {
        let flags = header.flags
        let length = Int(summary.payloadLength)
        var kept = false
        if length > 0 && flow.guestMaySend && !flow.pointee.receive.isFinished {
            if flags.contains(.urg) { noteUrgent(flow, header) }
            if summary.trafficClass & 0xFC != flow.pointee.classFromGuest {
                classify(flow, summary.trafficClass, &core)
            }
            kept = receivePayload(
                flow, header.sequence, lease, offset: Int(summary.payloadOffset) &+ VirtioNetHeader.length,
                length: length, isPushed: flags.contains(.psh) && length < TCPBounds.bulk, &core)
        } else if length > 0 {
            // Data after FIN is acknowledged and otherwise ignored.
            oweAcknowledgement(flow)
        }
        if flags.contains(.fin) {
            receiveFIN(flow, at: header.sequence.advanced(by: length), &core)
        } else if case .pending(let fin) = flow.pointee.receive.end, fin == flow.pointee.receive.nxt {
            guestFinished(flow, &core)
        }
        return kept
    }

    /// The stack's SYN is acknowledged.
    @inline(never)
    mutating func finishHandshake(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) {
        flow.pointee.send.una = header.acknowledgement
        flow.pointee.send.takeFirstWindow(header)
        establish(flow, &core)
        requestReceive(flow, &core)
    }

    @inline(never)
    private mutating func receiveFIN(_ flow: TCPFlow, at sequence: SequenceNumber, _ core: inout StackCore) {
        guard flow.guestMaySend, !flow.pointee.receive.isFinished else { return }
        if sequence == flow.pointee.receive.nxt {
            guestFinished(flow, &core)
        } else if flow.pointee.receive.nxt.precedes(sequence) {
            flow.pointee.receive.end = .pending(at: sequence)
            oweAcknowledgement(flow)
        }
    }

    // MARK: Payload

    /// Queues in-order payload for the host, and holds payload that is out of order. True if the lease was kept.
    @inline(__always)
    private mutating func receivePayload(
        _ flow: TCPFlow, _ start: SequenceNumber, _ lease: Lease, offset: Int, length: Int, isPushed: Bool,
        _ core: inout StackCore
    ) -> Bool {
        var start = start
        var offset = offset
        var length = length
        let old = Int(flow.pointee.receive.nxt.distance(from: start))
        if old > 0 {
            core.counters.add(.tcpDuplicateBytes, min(old, length))
            oweAcknowledgement(flow)
            guard old < length else { return false }
            start = flow.pointee.receive.nxt
            offset &+= old
            length &-= old
        }
        let beyond = Int(start.advanced(by: length).distance(from: flow.pointee.receive.edge))
        if beyond > 0 {
            core.counters.add(.tcpBeyondWindow)
            oweAcknowledgement(flow)
            guard beyond < length else { return false }
            length &-= beyond
        }
        let state = core.space.state(of: lease)
        state.pointee.offset = UInt32(truncatingIfNeeded: offset)
        state.pointee.length = UInt32(truncatingIfNeeded: length)
        state.pointee.sequence = start.rawValue
        if start == flow.pointee.receive.nxt {
            let kept = queueUnsent(flow, lease, &core)
            if !flow.pointee.receive.outOfOrder.isEmpty { queueContiguous(flow, &core) }
            if isPushed {
                if !withhold(flow, length: length, &core) { oweAcknowledgement(flow) }
            } else {
                flow.pointee.marks.remove(.withholds)
                oweAcknowledgement(flow)
            }
            requestSend(flow, &core)
            return kept
        }
        oweAcknowledgement(flow)
        return holdOutOfOrder(flow, lease, &core)
    }

    /// Appends in-order payload to the unsent data. True if the lease itself was queued.
    @inline(__always)
    private mutating func queueUnsent(_ flow: TCPFlow, _ lease: Lease, _ core: inout StackCore) -> Bool {
        let length = Int(core.space.state(of: lease).pointee.length)
        flow.pointee.bytesFromGuest &+= UInt64(truncatingIfNeeded: length)
        core.counters.add(.tcpUnsentBytes, length)
        return flow.pointee.receive.append(lease, core.pool, core.space)
    }

    /// Queues out-of-order payload that has become contiguous.
    @inline(never)
    private mutating func queueContiguous(_ flow: TCPFlow, _ core: inout StackCore) {
        while true {
            let lease = flow.pointee.receive.outOfOrder.popContiguous(at: flow.pointee.receive.nxt, core.pool)
            guard !lease.isNone else { return }
            if !queueUnsent(flow, lease, &core) { core.release(lease) }
        }
    }

    /// Holds out-of-order payload, as far as the connection's limit and the pool allow. True if the lease was kept.
    @inline(never)
    private mutating func holdOutOfOrder(_ flow: TCPFlow, _ lease: Lease, _ core: inout StackCore) -> Bool {
        core.counters.add(.tcpOutOfOrder)
        let length = Int(core.space.state(of: lease).pointee.length)
        let isSmall = length <= TCPBounds.copybreak
        // The limit counts whole buffers instead of their payload, so that small segments cannot pin the pool.
        let weight = isSmall ? BufferSpace.smallSize : BufferSpace.largeSize
        let held = Int(flow.pointee.receive.outOfOrder.bytes)
        guard held &+ weight <= core.configuration.limits.outOfOrderBytesPerFlow, isSmall || !core.isPressed else {
            core.counters.add(.tcpOutOfOrderDropped)
            return false
        }
        guard isSmall, !lease.isSmall else { return flow.pointee.receive.outOfOrder.insert(lease, core.pool) }
        let copy = copyToSmall(lease, length: length, &core)
        guard !copy.isNone else {
            core.counters.add(.tcpOutOfOrderDropped)
            return false
        }
        if !flow.pointee.receive.outOfOrder.insert(copy, core.pool) { core.release(copy) }
        return false
    }

    private mutating func copyToSmall(_ lease: Lease, length: Int, _ core: inout StackCore) -> Lease {
        let small = core.pool.pointee.lease(.small)
        guard !small.isNone else { return .none }
        core.space.address(of: small).copyMemory(from: core.space.payload(of: lease), byteCount: length)
        let state = core.space.state(of: small)
        state.pointee.length = UInt32(length)
        state.pointee.sequence = core.space.state(of: lease).pointee.sequence
        return small
    }
}
