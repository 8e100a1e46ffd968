internal import RingwayStorage
internal import RingwayWire

/// Segments from the guest, in the order of RFC 9293 §3.10.7. RFC 5961 says where resets and SYNs must be doubted.
extension TCP {
    /// Takes the lease.
    ///
    /// - Parameter frame: the frame's ethernet header.
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
        let key = FlowKey(
            guest: summary.source, guestPort: summary.sourcePort, remote: summary.destination,
            remotePort: summary.destinationPort, transport: .tcp)
        guard let reference = core.table.find(key), reference.kind == .tcp,
            let flow = connections.pointer(inSlot: reference.slot)
        else {
            if header.flags.contains(.syn) && header.flags.isDisjoint(with: [.ack, .rst, .fin]) {
                openFromGuest(summary, header, key, frame, &core)
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
            openFromGuest(summary, header, key, frame, &core)
        default:
            if receiveSynchronised(flow, header, summary, lease, &core) { return }
        }
        core.release(lease)
    }

    /// RFC 6191: a new SYN beyond the old connection's sequence space, or with a later timestamp, ends its TIME-WAIT.
    @inline(never)
    private mutating func restarts(_ flow: TCPFlow, _ header: TCPHeader) -> Bool {
        guard header.flags.contains(.syn), header.flags.isDisjoint(with: [.ack, .rst, .fin]) else { return false }
        if flow.pointee.receive.nxt.precedes(header.sequence) { return true }
        guard flow.pointee.optionLength != 0, let stamp = header.timestamps else { return false }
        return flow.pointee.timestamps.precede(stamp.value)
    }

    private mutating func receiveWhileConnecting(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) {
        let initial = flow.pointee.receive.initial
        if header.flags.contains(.rst) {
            guard header.sequence == flow.pointee.receive.nxt || header.sequence == initial else { return }
            core.counters.add(.tcpResetByGuest)
            return abort(flow, towardGuest: false, towardHost: true, &core)
        }
        // A repeated SYN changes nothing; one with a new number is the guest's next attempt on the same port.
        guard header.flags.contains(.syn), header.sequence != initial else { return }
        guard let options = TCPOptions.parse(header.options) else { return }
        acceptOptions(flow, options, of: header, &core)
        flow.pointee.receive.begin(at: header.sequence)
        flow.pointee.send.takeFirstWindow(header)
    }

    /// RFC 9293 §3.10.7.3.
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
        // What our SYN offered counts from the guest's first byte, now that it is known.
        flow.pointee.receive.begin(at: header.sequence)
        flow.pointee.send.takeFirstWindow(header)
        flow.pointee.deadlines.heard(now: core.now)
        flow.pointee.watch.stopLooking()
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

    /// RFC 9293 §3.10.7.4. True when the lease was kept.
    @inline(__always)
    private mutating func receiveSynchronised(
        _ flow: TCPFlow, _ header: TCPHeader, _ summary: FrameSummary, _ lease: Lease, _ core: inout StackCore
    ) -> Bool {
        let flags = header.flags
        let length = Int(summary.payloadLength)
        let sequence = header.sequence
        let extent = length &+ (flags.contains(.syn) ? 1 : 0) &+ (flags.contains(.fin) ? 1 : 0)
        // RFC 7323 §5.2: a reset is not judged by its timestamps.
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
        flow.pointee.deadlines.heard(now: core.now)
        if flow.pointee.state == .synReceived {
            guard header.acknowledgement == flow.pointee.send.nxt else {
                sendBare(flow, sequence: header.acknowledgement, flags: .rst, &core)
                return false
            }
            finishHandshake(flow, header, &core)
        } else {
            let handle = connections.handle(ofSlot: connections.slot(of: flow))
            receiveAcknowledgement(flow, header, payloadLength: extent, &core)
            // The acknowledgement of our FIN may have been the connection's last event.
            guard connections.pointer(to: handle) != nil else { return false }
        }
        return receiveText(flow, header, summary, lease, &core)
    }

    /// Payload and FIN: the seventh and eighth check. True when the lease was kept.
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
            // Data after FIN: all that there is to do with it is to acknowledge.
            oweAcknowledgement(flow)
        }
        switch flow.pointee.receive.end {
        case .finished: break
        case .pending(let fin) where !flags.contains(.fin):
            if fin == flow.pointee.receive.nxt { guestFinished(flow, &core) }
        default:
            if flags.contains(.fin) { receiveFIN(flow, at: header.sequence.advanced(by: length), &core) }
        }
        return kept
    }

    /// The acknowledgement of our SYN has come.
    mutating func finishHandshake(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) {
        flow.pointee.send.una = header.acknowledgement
        flow.pointee.send.takeFirstWindow(header)
        establish(flow, &core)
        requestReceive(flow, &core)
    }

    private mutating func receiveFIN(_ flow: TCPFlow, at sequence: SequenceNumber, _ core: inout StackCore) {
        guard flow.guestMaySend else { return }
        if sequence == flow.pointee.receive.nxt {
            guestFinished(flow, &core)
        } else if flow.pointee.receive.nxt.precedes(sequence) {
            flow.pointee.receive.end = .pending(at: sequence)
            oweAcknowledgement(flow)
        }
    }

    // MARK: Payload

    /// Queues payload for the host, or holds it out of order. True when the lease was kept.
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

    /// Appends in-order payload to what waits for the host. True when the lease itself was queued.
    @inline(__always)
    private mutating func queueUnsent(_ flow: TCPFlow, _ lease: Lease, _ core: inout StackCore) -> Bool {
        let length = Int(core.space.state(of: lease).pointee.length)
        flow.pointee.bytesFromGuest &+= UInt64(truncatingIfNeeded: length)
        core.counters.add(.tcpUnsentBytes, length)
        return flow.pointee.receive.append(lease, core.pool, core.space)
    }

    /// Queues what has become contiguous.
    private mutating func queueContiguous(_ flow: TCPFlow, _ core: inout StackCore) {
        while true {
            let lease = flow.pointee.receive.outOfOrder.popContiguous(at: flow.pointee.receive.nxt, core.pool)
            guard !lease.isNone else { return }
            if !queueUnsent(flow, lease, &core) { core.release(lease) }
        }
    }

    /// Holds payload that came before its turn, as far as the connection's bound allows. True when the lease was kept.
    private mutating func holdOutOfOrder(_ flow: TCPFlow, _ lease: Lease, _ core: inout StackCore) -> Bool {
        core.counters.add(.tcpOutOfOrder)
        let length = Int(core.space.state(of: lease).pointee.length)
        let isSmall = length <= TCPBounds.copybreak
        // Counted by what is pinned, so that small segments cannot hold the pool.
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
