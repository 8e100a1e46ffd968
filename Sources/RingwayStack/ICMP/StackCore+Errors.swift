internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// ICMP errors to the guest, as a router would send them: about packets that the stack refuses, and about packets for
/// which a host socket reported an error.
extension StackCore {
    /// Sends an error about a frame whose bytes are available.
    mutating func sendError(_ reason: ICMPError.Reason, about bytes: UnsafeRawBufferPointer, _ summary: FrameSummary) {
        guard let reply = prepareReply(limit: ICMPError.frameLength) else { return }
        finishError(reply.lease, errors.write(reason, about: bytes, summary, now: now, into: reply.room))
    }

    /// Sends an error about a packet that was rebuilt, because its frame no longer exists.
    mutating func sendError(_ reason: ICMPError.Reason, from router: IPAddress?, about packet: FailedPacket) {
        guard let reply = prepareReply(limit: ICMPError.frameLength) else { return }
        finishError(
            reply.lease, errors.write(reason, from: router, about: packet, to: guestMAC, now: now, into: reply.room))
    }

    /// Sends an error about the SYN of a connection. The SYN is rebuilt without options, because its frame no longer
    /// exists. Its addresses, ports and sequence number are those by which the guest's kernel finds the socket and
    /// checks the error (RFC 5927 §4.1).
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

    /// Counts a frame of an unsupported protocol, and sends an ICMP error (RFC 1122 §3.2.2.1) unless the destination
    /// is multicast or the source is not a guest's.
    mutating func refuseProtocol(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) {
        counters.add(.droppedUnsupported)
        guard !summary.destination.isMulticast, accepts(summary) else { return }
        sendError(.protocolUnreachable, about: bytes, summary)
    }

    private static var bareSYNLength: Int { 20 }

    private mutating func finishError(_ lease: Lease, _ written: Int) {
        if written == 0 { counters.add(.droppedErrorRateLimit) }
        sendReply(lease, bytes: written, .icmpErrorsToGuest)
    }

    /// The hop limit for the packet that the host sends in place of the guest's, one less than in the guest's packet.
    /// If that would be zero, the gateway sends time exceeded, as a router does (RFC 1812 §5.3.1), and the result is
    /// `nil`. Toward an address of the guest's own network the hop limit stays the same.
    mutating func hopLimitBeyondGateway(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) -> UInt8? {
        if plan.contains(summary.destination) { return summary.hopLimit }
        guard summary.hopLimit > 1 else {
            sendError(.hopLimitExceeded, about: bytes, summary)
            return nil
        }
        return summary.hopLimit - 1
    }
}
