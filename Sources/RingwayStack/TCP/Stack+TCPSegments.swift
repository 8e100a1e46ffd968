internal import RingwayStorage
internal import RingwayWire

/// Building and queueing segments toward the guest.
extension Stack {
    /// Octets of all headers before a TCP payload, options not counted: `optionLength` of the connection, and those of
    /// the segment.
    static func headerOctets(ipv4: Bool) -> Int {
        VirtioNetHeader.length + EthernetHeader.length + (ipv4 ? 20 : 40) + 20
    }

    /// Writes virtio-net, ethernet, IP and TCP headers that end exactly where the payload starts, the options of every
    /// segment among them. The last `optionLength` bytes are left for other options.
    ///
    /// The TCP checksum is left to the guest's kernel (VIRTIO_NET_HDR_F_NEEDS_CSUM): only the pseudo-header is summed.
    /// - Returns: octets written before `payload`.
    mutating func writeHeaders(
        before payload: UnsafeMutableRawPointer, _ flow: UnsafeMutablePointer<TCPConnection>,
        sequence: SequenceNumber, acknowledgement: SequenceNumber, flags: TCPFlags, window: UInt16,
        payloadLength: Int, optionLength: Int = 0
    ) -> Int {
        let key = flow.pointee.key
        let ipv4 = key.remote.isIPv4
        let isStamped = flow.pointee.optionLength != 0
        let tcpLength = 20 &+ Int(flow.pointee.optionLength) &+ optionLength
        let ipLength = ipv4 ? 20 : 40
        let total = VirtioNetHeader.length &+ EthernetHeader.length &+ ipLength &+ tcpLength
        let start = payload - total
        let segmentSize = Int(flow.pointee.segmentSize)

        var virtio = VirtioNetFields()
        virtio.flags = VirtioNetHeader.needsChecksum
        virtio.checksumStart = UInt16(EthernetHeader.length &+ ipLength)
        virtio.checksumOffset = 16
        if payloadLength > segmentSize {
            virtio.gsoType = ipv4 ? VirtioNetHeader.gsoTCPv4 : VirtioNetHeader.gsoTCPv6
            virtio.gsoSize = UInt16(truncatingIfNeeded: segmentSize)
            virtio.headerLength = UInt16(EthernetHeader.length &+ ipLength &+ tcpLength)
        }
        virtio.write(to: start)
        let ethernet = start + VirtioNetHeader.length
        EthernetFields(
            destination: guestMAC, source: plan.gatewayMAC, etherType: ipv4 ? EtherType.ipv4 : EtherType.ipv6
        ).write(to: ethernet)
        let ip = ethernet + EthernetHeader.length
        if ipv4 {
            IPv4Fields(
                source: key.remote.ipv4, destination: key.guest.ipv4, protocolNumber: 6,
                payloadLength: tcpLength &+ payloadLength, typeOfService: flow.pointee.classToGuest
            ).write(to: ip)
        } else {
            IPv6Fields(
                source: key.remote.ipv6, destination: key.guest.ipv6, nextHeader: 6,
                payloadLength: tcpLength &+ payloadLength, trafficClass: flow.pointee.classToGuest
            ).write(to: ip)
        }
        let tcp = ip + ipLength
        TCPFields(
            sourcePort: key.remotePort, destinationPort: key.guestPort, sequence: sequence,
            acknowledgement: acknowledgement, flags: flags, window: window
        ).write(to: tcp)
        // A multiple of four, in units of four, in the upper half of the byte.
        tcp.storeBytes(of: UInt8(truncatingIfNeeded: tcpLength &<< 2), toByteOffset: 12, as: UInt8.self)
        if isStamped {
            TimestampOption(
                value: flow.pointee.timestamps.clock(now: now), echo: flow.pointee.timestamps.recent
            ).write(to: tcp + 20)
            if flags.contains(.ack) { flow.pointee.timestamps.noteSent(acknowledgement) }
        }
        let pseudoHeader = Checksum.pseudoHeader(
            source: key.remote, destination: key.guest, protocolNumber: 6, length: tcpLength &+ payloadLength)
        tcp.storeBytes(of: Checksum.fold(pseudoHeader), toByteOffset: 16, as: UInt16.self)
        return total
    }

    /// Sends a segment without payload. `optionLength` octets of options are written by `writeOptions`.
    mutating func sendBare(
        _ flow: UnsafeMutablePointer<TCPConnection>, sequence: SequenceNumber, flags: TCPFlags,
        optionLength: Int = 0, writeOptions: (UnsafeMutableRawPointer) -> Void = { _ in }
    ) {
        let ipv4 = flow.pointee.key.remote.isIPv4
        let octets = Self.headerOctets(ipv4: ipv4) + Int(flow.pointee.optionLength) + optionLength
        let lease = leaseForFrame(octets: octets)
        guard !lease.isNone else { return }
        let end = space.address(of: lease) + octets
        let acknowledgement = flow.acknowledgement
        let window = flags.contains(.syn) ? initialWindowField(flow) : windowField(flow, from: acknowledgement)
        let total = writeHeaders(
            before: end, flow, sequence: sequence,
            acknowledgement: flags.contains(.ack) ? acknowledgement : SequenceNumber(0), flags: flags,
            window: window, payloadLength: 0, optionLength: optionLength)
        writeOptions(end - optionLength)
        writeFrame(lease, offset: octets - total, length: total)
        if flags.contains(.ack) { acknowledged(flow) }
    }

    /// Every segment with ACK pays the acknowledgement owed.
    @inline(__always)
    mutating func acknowledged(_ flow: UnsafeMutablePointer<TCPConnection>) {
        flow.pointee.marks.subtract([.acknowledge, .urgent, .deferred])
    }

    /// SYN or SYN-ACK, with the options of RFC 9293 §3.7.1, RFC 7323 §2.2 and RFC 2018 §2 behind the timestamps.
    mutating func sendSYN(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let answering = flow.pointee.state == .synReceived
        let segmentSize = ownSegmentSize(ipv4: flow.pointee.key.remote.isIPv4)
        // A SYN offers everything; a SYN-ACK repeats what the guest offered.
        let scaling = !answering || flow.pointee.marks.contains(.scaling)
        let sack = !answering || flow.pointee.marks.contains(.sack)
        let optionLength = 4 + (sack ? 4 : 0) + (scaling ? 4 : 0)
        sendBare(
            flow, sequence: flow.pointee.sndUna, flags: answering ? [.syn, .ack] : .syn,
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

    /// The largest segment we take: the MTU less the headers.
    mutating func ownSegmentSize(ipv4: Bool) -> Int { plan.mtu - (ipv4 ? 40 : 60) }

    /// A pure acknowledgement, with SACK blocks while data is missing.
    mutating func sendAcknowledgement(_ flow: UnsafeMutablePointer<TCPConnection>) {
        if flow.pointee.outOfOrder.isNone || !flow.pointee.marks.contains(.sack) {
            sendBare(flow, sequence: flow.pointee.sndNxt, flags: .ack)
            return
        }
        let blocks = outOfOrderBlocks(flow)
        let count = blocks.count
        sendBare(flow, sequence: flow.pointee.sndNxt, flags: .ack, optionLength: 4 + 8 * count) { target in
            target.storeBytes(of: (0x0101_0500 | UInt32(2 + 8 * count)).bigEndian, as: UInt32.self)
            for index in 0..<count {
                let block = blocks[index]
                target.storeBytes(
                    of: block.start.rawValue.bigEndian, toByteOffset: 4 + 8 * index, as: UInt32.self)
                target.storeBytes(of: block.end.rawValue.bigEndian, toByteOffset: 8 + 8 * index, as: UInt32.self)
            }
        }
    }

    /// RST for a connection that we give up (RFC 9293 §3.10.7: its sequence number is what the guest expects next).
    mutating func sendReset(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let beforeHandshake = flow.pointee.state == .connecting
        if beforeHandshake {
            sendBare(flow, sequence: SequenceNumber(0), flags: [.rst, .ack])
        } else {
            sendBare(flow, sequence: flow.pointee.sndNxt, flags: [.rst, .ack])
        }
    }

    /// RST for a segment that belongs to no connection (RFC 9293 §3.10.7.1).
    mutating func refuseSegment(_ summary: FrameSummary, _ header: TCPHeader) {
        if header.flags.contains(.rst) { return }
        // What is addressed to a group has no sender to answer as (RFC 1122 §4.2.3.10).
        if case .unroutable = destination(of: summary.destination) {
            return counters.add(.droppedForeignDestination)
        }
        guard resetBucket.take(now: now) else {
            counters.add(.droppedErrorRateLimit)
            return
        }
        let ipv4 = !summary.isIPv6
        let octets = Self.headerOctets(ipv4: ipv4)
        let lease = leaseForFrame(octets: octets)
        guard !lease.isNone else { return }
        let key = FlowKey(
            guest: summary.source, guestPort: summary.sourcePort, remote: summary.destination,
            remotePort: summary.destinationPort, transport: .tcp)
        var stranger = TCPConnection(
            key: key, state: .draining,
            hostAddress: TransportAddress(address: summary.destination, port: summary.destinationPort))
        var length = Int(summary.payloadLength)
        if header.flags.contains(.syn) { length += 1 }
        if header.flags.contains(.fin) { length += 1 }
        let acknowledges = header.flags.contains(.ack)
        let total = withUnsafeMutablePointer(to: &stranger) { stranger in
            writeHeaders(
                before: space.address(of: lease) + octets, stranger,
                sequence: acknowledges ? header.acknowledgement : SequenceNumber(0),
                acknowledgement: acknowledges ? SequenceNumber(0) : header.sequence.advanced(by: length),
                flags: acknowledges ? .rst : [.rst, .ack], window: 0, payloadLength: 0)
        }
        writeFrame(lease, offset: octets - total, length: total)
    }

    /// Sends payload that lies in `lease` for the first time, headers into the headroom before it.
    mutating func sendPayload(_ flow: UnsafeMutablePointer<TCPConnection>, _ lease: Lease) {
        let state = space.state(of: lease)
        let length = Int(state.pointee.length)
        let sequence = flow.pointee.sndNxt
        state.pointee.sequence = sequence.rawValue
        flow.pointee.sndNxt = sequence.advanced(by: length)
        let payload = space.payload(of: lease)
        let total = writeHeaders(
            before: payload, flow, sequence: sequence, acknowledgement: flow.pointee.rcvNxt,
            flags: [.ack, .psh], window: windowField(flow), payloadLength: length)
        if flow.pointee.marks.contains(.urgentToGuest) {
            flow.pointee.marks.remove(.urgentToGuest)
            if length == 1 { markUrgent(payload, optionLength: Int(flow.pointee.optionLength)) }
        }
        acknowledged(flow)
        flow.pointee.unacked.append(lease, in: space)
        pool.pointee.hold(lease)
        writeFrame(lease, offset: Int(state.pointee.offset) - total, length: total + length)
        if !flow.pointee.marks.contains(.timing) {
            flow.pointee.marks.insert(.timing)
            flow.pointee.timedSequence = flow.pointee.sndNxt
            flow.pointee.timedAt = now
        }
        if flow.pointee.retransmitAt == 0 { startRetransmissionTimer(flow) }
    }

    /// Sends part of `lease`: fresh headers in a small buffer, the payload from where it lies. False when there is no
    /// buffer for the headers.
    mutating func sendPiece(
        _ flow: UnsafeMutablePointer<TCPConnection>, _ lease: Lease, from sequence: SequenceNumber, length: Int
    ) -> Bool {
        let ipv4 = flow.pointee.key.remote.isIPv4
        let octets = Self.headerOctets(ipv4: ipv4) + Int(flow.pointee.optionLength)
        let header = leaseForFrame(octets: octets)
        guard !header.isNone else { return false }
        let state = space.state(of: lease)
        let skip = Int(sequence.distance(from: SequenceNumber(state.pointee.sequence)))
        let acknowledgement = flow.acknowledgement
        let total = writeHeaders(
            before: space.address(of: header) + octets, flow, sequence: sequence,
            acknowledgement: acknowledgement, flags: [.ack, .psh], window: windowField(flow, from: acknowledgement),
            payloadLength: length)
        acknowledged(flow)
        pool.pointee.hold(lease)
        var effect = Effect(.writeFrame)
        effect.lease = header
        effect.offset = UInt32(octets - total)
        effect.length = UInt32(total)
        effect.payload = lease
        effect.payloadOffset = state.pointee.offset + UInt32(skip)
        effect.payloadLength = UInt32(length)
        effects.append(effect)
        return true
    }
}
