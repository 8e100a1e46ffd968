internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// Construction and sending of segments to the guest.
extension TCP {
    private static var headerLength: Int { 20 }
    private static var checksumOffset: Int { 16 }

    /// The variable fields of a segment's header.
    struct SegmentHeader {
        var sequence: SequenceNumber
        var acknowledgement: SequenceNumber
        var flags: TCPFlags
        var window: UInt16
    }

    /// Bytes of all headers before a payload, without TCP options. The caller adds the `optionLength` of the
    /// connection, and the length of options that only this segment has.
    private static func headersLength(isIPv4: Bool) -> Int { PacketHeaders.frameLength(isIPv4: isIPv4) + headerLength }

    /// Writes all headers, so that they end exactly where the payload starts. The timestamp option is included if it is
    /// agreed. The last `optionLength` bytes are left free for options that only this segment has, which the caller
    /// writes.
    ///
    /// - Returns: bytes written before `payload`.
    @inline(__always)
    private mutating func writeHeaders(
        before payload: UnsafeMutableRawPointer, _ flow: TCPFlow, _ header: SegmentHeader, payloadLength: Int,
        optionLength: Int = 0, _ core: inout StackCore
    ) -> Int {
        let key = flow.pointee.key
        let isStamped = flow.pointee.optionLength != 0
        let tcpLength = Self.headerLength &+ Int(flow.pointee.optionLength) &+ optionLength
        let packet = PacketHeaders(
            from: key.remote, to: key.guest, protocolNumber: IPProtocol.tcp, payloadLength: tcpLength &+ payloadLength,
            trafficClass: flow.pointee.classToGuest)
        let segmentSize = Int(flow.pointee.send.segmentSize)
        var segmentation = PacketHeaders.Segmentation()
        if payloadLength > segmentSize {
            segmentation.type = packet.isIPv4 ? VirtioNetHeader.gsoTCPv4 : VirtioNetHeader.gsoTCPv6
            segmentation.size = segmentSize
        }
        let tcp = payload - tcpLength
        packet.writeFrame(
            before: tcp, from: core.plan.gatewayMAC, to: core.guestMAC, checksumOffset: Self.checksumOffset,
            headerLength: tcpLength, segmentation)
        TCPFields(
            sourcePort: key.remotePort, destinationPort: key.guestPort, sequence: header.sequence,
            acknowledgement: header.acknowledgement, flags: header.flags, window: header.window
        ).write(to: tcp)
        // The data offset: in units of four bytes, in the upper half of the byte.
        tcp.storeBytes(of: UInt8(truncatingIfNeeded: tcpLength &<< 2), toByteOffset: 12, as: UInt8.self)
        if isStamped {
            TimestampOption(
                value: flow.pointee.timestamps.clock(now: core.now), echo: flow.pointee.timestamps.recent
            ).write(to: tcp + Self.headerLength)
            if header.flags.contains(.ack) { flow.pointee.timestamps.noteSent(header.acknowledgement) }
        }
        packet.writePseudoHeader(at: tcp + Self.checksumOffset)
        return PacketHeaders.frameLength(isIPv4: packet.isIPv4) &+ tcpLength
    }

    /// The window field of a segment without SYN.
    @inline(__always)
    private mutating func windowField(_ flow: TCPFlow, from acknowledgement: SequenceNumber) -> UInt16 {
        flow.pointee.receive.windowField(
            from: acknowledgement, isOpen: flow.isWindowOpen, &reservation, connections: connections.count)
    }

    // MARK: Without payload

    /// Sends a segment without payload. `writeOptions` writes the `optionLength` bytes of options that only this
    /// segment has.
    mutating func sendBare(
        _ flow: TCPFlow, sequence: SequenceNumber, flags: TCPFlags, _ core: inout StackCore, optionLength: Int = 0,
        writeOptions: (UnsafeMutableRawPointer) -> Void = { _ in }
    ) {
        let isIPv4 = flow.pointee.key.remote.isIPv4
        let length = Self.headersLength(isIPv4: isIPv4) + Int(flow.pointee.optionLength) + optionLength
        let lease = core.leaseForFrame(bytes: length)
        guard !lease.isNone else { return }
        let end = core.space.address(of: lease) + length
        let acknowledgement = flow.acknowledgement
        let window =
            flags.contains(.syn)
            ? flow.pointee.receive.firstWindowField(&reservation, connections: connections.count)
            : windowField(flow, from: acknowledgement)
        let header = SegmentHeader(
            sequence: sequence, acknowledgement: flags.contains(.ack) ? acknowledgement : SequenceNumber(0),
            flags: flags,
            window: window)
        let total = writeHeaders(before: end, flow, header, payloadLength: 0, optionLength: optionLength, &core)
        writeOptions(end - optionLength)
        core.writeFrame(lease, offset: length - total, length: total)
        if flags.contains(.ack) { acknowledged(flow) }
    }

    /// Sends SYN or SYN-ACK. The options after the timestamps are the MSS (RFC 9293 §3.7.1), SACK-permitted (RFC 2018
    /// §2) and the window scale (RFC 7323 §2.2).
    mutating func sendSYN(_ flow: TCPFlow, _ core: inout StackCore) {
        let answering = flow.pointee.state == .synReceived
        let segmentSize = Self.ownSegmentSize(isIPv4: flow.pointee.key.remote.isIPv4, core.plan.mtu)
        // A SYN offers everything; a SYN-ACK repeats what the guest offered.
        let scaling = !answering || flow.pointee.receive.scale != 0
        let sack = !answering || flow.pointee.marks.contains(.sack)
        let optionLength = 4 + (sack ? 4 : 0) + (scaling ? 4 : 0)
        sendBare(
            flow, sequence: flow.pointee.send.una, flags: answering ? [.syn, .ack] : .syn, &core,
            optionLength: optionLength
        ) { target in
            var at = target
            at.storeBytes(of: (0x0204_0000 | UInt32(segmentSize)).bigEndian, as: UInt32.self)
            at += 4
            if sack {
                at.storeBytes(of: UInt32(0x0101_0402).bigEndian, as: UInt32.self)
                at += 4
            }
            if scaling {
                at.storeBytes(of: (0x0103_0300 | UInt32(TCPBounds.windowScale)).bigEndian, as: UInt32.self)
            }
        }
    }

    /// The largest segment that the stack accepts: the MTU less the headers.
    static func ownSegmentSize(isIPv4: Bool, _ mtu: Int) -> Int { mtu - (isIPv4 ? 40 : 60) }

    /// Sends a pure acknowledgement, with SACK blocks while data is missing.
    mutating func sendAcknowledgement(_ flow: TCPFlow, _ core: inout StackCore) {
        if flow.pointee.receive.outOfOrder.isEmpty || !flow.pointee.marks.contains(.sack) {
            return sendBare(flow, sequence: flow.pointee.send.nxt, flags: .ack, &core)
        }
        sendBlocks(flow, &core)
    }

    @inline(never)
    private mutating func sendBlocks(_ flow: TCPFlow, _ core: inout StackCore) {
        let blocks = flow.pointee.receive.outOfOrder.blocks(in: core.space)
        let count = blocks.count
        sendBare(flow, sequence: flow.pointee.send.nxt, flags: .ack, &core, optionLength: 4 + 8 * count) { target in
            target.storeBytes(of: (0x0101_0500 | UInt32(2 + 8 * count)).bigEndian, as: UInt32.self)
            for index in 0..<count {
                let block = blocks[index]
                target.storeBytes(
                    of: block.start.rawValue.bigEndian, toByteOffset: 4 + 8 * index, as: UInt32.self)
                target.storeBytes(of: block.end.rawValue.bigEndian, toByteOffset: 8 + 8 * index, as: UInt32.self)
            }
        }
    }

    /// Sends RST to abort a connection. Its sequence number is the one that the guest expects next, or zero if the
    /// stack has sent no segment yet (RFC 9293 §3.10.7).
    mutating func sendReset(_ flow: TCPFlow, _ core: inout StackCore) {
        let sequence = flow.pointee.state == .connecting ? SequenceNumber(0) : flow.pointee.send.nxt
        sendBare(flow, sequence: sequence, flags: [.rst, .ack], &core)
    }

    /// Sends RST in reply to a segment that belongs to no connection (RFC 9293 §3.10.7.1).
    @inline(never)
    mutating func refuseSegment(_ summary: FrameSummary, _ header: TCPHeader, _ core: inout StackCore) {
        if header.flags.contains(.rst) { return }
        // A segment to a multicast, broadcast, loopback or unspecified address gets no reply, because the reply's
        // source would be that address (RFC 1122 §4.2.3.10).
        if case .unroutable = core.destination(of: summary.destination) {
            return core.counters.add(.droppedForeignDestination)
        }
        guard resetBucket.take(now: core.now) else {
            core.counters.add(.droppedErrorRateLimit)
            return
        }
        let length = Self.headersLength(isIPv4: !summary.isIPv6)
        let lease = core.leaseForFrame(bytes: length)
        guard !lease.isNone else { return }
        let key = FlowKey(
            guest: summary.source, guestPort: summary.sourcePort, remote: summary.destination,
            remotePort: summary.destinationPort, transport: .tcp)
        var stranger = TCPConnection(
            key: key, state: .draining,
            hostAddress: TransportAddress(address: summary.destination, port: summary.destinationPort),
            congestion: .newReno, now: core.now)
        var extent = Int(summary.payloadLength)
        if header.flags.contains(.syn) { extent += 1 }
        if header.flags.contains(.fin) { extent += 1 }
        let acknowledges = header.flags.contains(.ack)
        let reset = SegmentHeader(
            sequence: acknowledges ? header.acknowledgement : SequenceNumber(0),
            acknowledgement: acknowledges ? SequenceNumber(0) : header.sequence.advanced(by: extent),
            flags: acknowledges ? .rst : [.rst, .ack], window: 0)
        let end = core.space.address(of: lease) + length
        let total = withUnsafeMutablePointer(to: &stranger) { stranger in
            writeHeaders(before: end, stranger, reset, payloadLength: 0, &core)
        }
        core.writeFrame(lease, offset: length - total, length: total)
    }

    // MARK: With payload

    /// Sends payload in `lease` for the first time, with headers in the headroom before it.
    mutating func sendPayload(_ flow: TCPFlow, _ lease: Lease, _ core: inout StackCore) {
        let state = core.space.state(of: lease)
        let length = Int(state.pointee.length)
        let header = SegmentHeader(
            sequence: flow.pointee.send.nxt, acknowledgement: flow.pointee.receive.nxt, flags: [.ack, .psh],
            window: windowField(flow, from: flow.pointee.receive.nxt))
        flow.pointee.send.append(lease, in: core.space)
        let payload = core.space.payload(of: lease)
        let total = writeHeaders(before: payload, flow, header, payloadLength: length, &core)
        if flow.pointee.marks.contains(.urgentToGuest) {
            flow.pointee.marks.remove(.urgentToGuest)
            if length == 1 { markUrgent(payload, optionLength: Int(flow.pointee.optionLength), &core) }
        }
        acknowledged(flow)
        core.pool.pointee.hold(lease)
        core.writeFrame(lease, offset: Int(state.pointee.offset) - total, length: total + length)
        flow.pointee.roundTrip.sent(upTo: flow.pointee.send.nxt, now: core.now)
        if !flow.pointee.deadlines.isRetransmitting { startRetransmissionTimer(flow, &core) }
    }

    /// Sends part of `lease`: new headers go in a small buffer, while the payload is sent from `lease` without a copy.
    /// False if there is no buffer for the headers.
    mutating func sendPiece(
        _ flow: TCPFlow, _ lease: Lease, from sequence: SequenceNumber, length: Int, _ core: inout StackCore
    ) -> Bool {
        let isIPv4 = flow.pointee.key.remote.isIPv4
        let headersLength = Self.headersLength(isIPv4: isIPv4) + Int(flow.pointee.optionLength)
        let headers = core.leaseForFrame(bytes: headersLength)
        guard !headers.isNone else { return false }
        let state = core.space.state(of: lease)
        let skip = Int(sequence.distance(from: SequenceNumber(state.pointee.sequence)))
        let acknowledgement = flow.acknowledgement
        let header = SegmentHeader(
            sequence: sequence, acknowledgement: acknowledgement, flags: [.ack, .psh],
            window: windowField(flow, from: acknowledgement))
        let end = core.space.address(of: headers) + headersLength
        let total = writeHeaders(before: end, flow, header, payloadLength: length, &core)
        acknowledged(flow)
        core.pool.pointee.hold(lease)
        var effect = Effect.frame(headers, offset: UInt32(headersLength - total), length: UInt32(total))
        effect.payload = lease
        effect.payloadOffset = state.pointee.offset + UInt32(skip)
        effect.payloadLength = UInt32(length)
        core.effects.append(effect)
        return true
    }
}
