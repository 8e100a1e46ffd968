internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// ICMP errors toward the guest: what the host's sockets reported, sent as a router would send it.
extension StackCore {
    /// About a frame that is at hand.
    mutating func sendError(_ reason: ICMPError.Reason, about bytes: UnsafeRawBufferPointer, _ summary: FrameSummary) {
        guard let reply = prepareReply(limit: ICMPError.frameLength) else { return }
        finishError(reply.lease, errors.write(reason, about: bytes, summary, now: now, into: reply.room))
    }

    /// About a packet of which the essentials are known.
    mutating func sendError(_ reason: ICMPError.Reason, from router: IPAddress?, about packet: FailedPacket) {
        guard let reply = prepareReply(limit: ICMPError.frameLength) else { return }
        finishError(
            reply.lease, errors.write(reason, from: router, about: packet, to: guestMAC, now: now, into: reply.room))
    }

    /// About the SYN of a connection, which is rebuilt as far as an error quotes it: the guest's kernel finds the socket by
    /// addresses and ports and compares the sequence number (RFC 5927 §4.1).
    mutating func sendError(
        _ reason: ICMPError.Reason, from router: IPAddress?, aboutSYNOf key: FlowKey, sequence: SequenceNumber
    ) {
        let scratch = leaseForFrame(bytes: 128)
        guard !scratch.isNone else { return }
        defer { release(scratch) }
        let packet = PacketHeaders(
            from: key.guest, to: key.remote, protocolNumber: IPProtocol.tcp, payloadLength: Self.bareSYNLength)
        let ethernet = space.address(of: scratch)
        packet.writeEthernet(to: ethernet, from: guestMAC, to: plan.gatewayMAC)
        let transportOffset = EthernetHeader.length + packet.ipLength
        TCPFields(
            sourcePort: key.guestPort, destinationPort: key.remotePort, sequence: sequence,
            acknowledgement: SequenceNumber(0), flags: .syn, window: 0
        ).write(to: ethernet + transportOffset)
        var summary = FrameSummary()
        summary.kind = .tcp
        summary.isIPv6 = !packet.isIPv4
        summary.source = key.guest
        summary.destination = key.remote
        summary.sourceMAC = guestMAC
        summary.networkOffset = UInt16(EthernetHeader.length)
        summary.transportOffset = UInt16(transportOffset)
        summary.payloadOffset = UInt16(transportOffset + Self.bareSYNLength)
        summary.protocolNumber = IPProtocol.tcp
        guard let reply = prepareReply(limit: ICMPError.frameLength) else { return }
        let bytes = UnsafeRawBufferPointer(start: ethernet, count: transportOffset + Self.bareSYNLength)
        finishError(
            reply.lease, errors.write(reason, from: router, about: bytes, summary, now: now, into: reply.room))
    }

    private static var bareSYNLength: Int { 20 }

    private mutating func finishError(_ lease: Lease, _ written: Int) {
        if written == 0 { counters.add(.droppedErrorRateLimit) }
        sendReply(lease, bytes: written, .icmpErrorsToGuest)
    }

    /// The hop limit with which the host sends on what the guest sent, or `nil` when it ends at the gateway, which then
    /// reports so: the gateway is a router (RFC 1812 §5.3.1), except toward the network's own addresses.
    mutating func hopLimitBeyondGateway(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) -> UInt8? {
        if plan.contains(summary.destination) { return summary.hopLimit }
        guard summary.hopLimit > 1 else {
            sendError(.hopLimitExceeded, about: bytes, summary)
            return nil
        }
        return summary.hopLimit - 1
    }
}
