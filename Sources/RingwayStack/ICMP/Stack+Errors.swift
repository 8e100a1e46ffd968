public import RingwayStorage
public import RingwayWire

/// ICMP errors toward the guest: what the host's sockets found out, said as a router would.
extension Stack {
    /// About a frame that is at hand.
    mutating func sendError(_ reason: ICMPError.Reason, about bytes: UnsafeRawBufferPointer, _ summary: FrameSummary) {
        guard let answer = prepareAnswer(limit: ICMPError.frameLength) else { return }
        let written = errors.write(reason, about: bytes, summary, now: now, into: answer.room)
        if written == 0 { counters.add(.droppedErrorRateLimit) }
        sendAnswer(answer.lease, octets: written, .icmpErrorsToGuest)
    }

    /// About a packet of which the essentials are known.
    mutating func sendError(_ reason: ICMPError.Reason, from router: IPAddress?, about packet: FailedPacket) {
        guard let answer = prepareAnswer(limit: ICMPError.frameLength) else { return }
        let written = errors.write(reason, from: router, about: packet, to: guestMAC, now: now, into: answer.room)
        if written == 0 { counters.add(.droppedErrorRateLimit) }
        sendAnswer(answer.lease, octets: written, .icmpErrorsToGuest)
    }

    /// The hop limit with which the host sends on what the guest sent, or `nil` when it ends at the gateway, which then
    /// says so: the gateway is a router (RFC 1812 §5.3.1), except toward the network's own addresses.
    mutating func hopLimitBeyondGateway(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) -> UInt8? {
        if plan.contains(summary.destination) { return summary.hopLimit }
        guard summary.hopLimit > 1 else {
            sendError(.hopLimitExceeded, about: bytes, summary)
            return nil
        }
        return summary.hopLimit - 1
    }

    enum Unreachable { case host, network, prohibited }

    /// About a SYN, as it came: its destination cannot be reached.
    mutating func sendUnreachable(about summary: FrameSummary, _ unreachable: Unreachable) {
        let key = FlowKey(
            guest: summary.source, guestPort: summary.sourcePort, remote: summary.destination,
            remotePort: summary.destinationPort, transport: .tcp)
        sendError(Self.reason(unreachable), from: nil, key, sequence: SequenceNumber(0))
    }

    /// About a connection whose host could not be reached.
    mutating func sendUnreachable(about flow: UnsafeMutablePointer<TCPConnection>, _ unreachable: Unreachable) {
        sendError(Self.reason(unreachable), from: nil, aboutSYNOf: flow)
    }

    /// About a connection whose SYN met something on the host's side of the gateway.
    mutating func sendError(
        _ reason: ICMPError.Reason, from router: IPAddress?, aboutSYNOf flow: UnsafeMutablePointer<TCPConnection>
    ) {
        sendError(reason, from: router, flow.pointee.key, sequence: flow.pointee.initialReceive)
    }

    private static func reason(_ unreachable: Unreachable) -> ICMPError.Reason {
        switch unreachable {
        case .host: .hostUnreachable
        case .network: .networkUnreachable
        case .prohibited: .administrativelyProhibited
        }
    }

    /// The SYN is rebuilt as far as an error quotes it: the guest's kernel finds the socket by addresses and ports and
    /// compares the sequence number (RFC 5927 §4.1).
    private mutating func sendError(
        _ reason: ICMPError.Reason, from router: IPAddress?, _ key: FlowKey, sequence: SequenceNumber
    ) {
        let scratch = leaseForFrame(octets: 128)
        guard !scratch.isNone else { return }
        defer { release(scratch) }
        let ipv4 = key.guest.isIPv4
        let ethernet = space.address(of: scratch)
        let ipLength = ipv4 ? 20 : 40
        EthernetFields(
            destination: plan.gatewayMAC, source: guestMAC, etherType: ipv4 ? EtherType.ipv4 : EtherType.ipv6
        ).write(to: ethernet)
        let ip = ethernet + EthernetHeader.length
        if ipv4 {
            IPv4Fields(
                source: key.guest.ipv4, destination: key.remote.ipv4, protocolNumber: IPProtocol.tcp,
                payloadLength: 20
            ).write(to: ip)
        } else {
            IPv6Fields(
                source: key.guest.ipv6, destination: key.remote.ipv6, nextHeader: IPProtocol.tcp, payloadLength: 20
            ).write(to: ip)
        }
        TCPFields(
            sourcePort: key.guestPort, destinationPort: key.remotePort, sequence: sequence,
            acknowledgement: SequenceNumber(0), flags: .syn, window: 0
        ).write(to: ip + ipLength)
        var summary = FrameSummary()
        summary.kind = .tcp
        summary.isIPv6 = !ipv4
        summary.source = key.guest
        summary.destination = key.remote
        summary.sourceMAC = guestMAC
        summary.networkOffset = UInt16(EthernetHeader.length)
        summary.transportOffset = UInt16(EthernetHeader.length + ipLength)
        summary.payloadOffset = summary.transportOffset + 20
        summary.protocolNumber = IPProtocol.tcp
        guard let answer = prepareAnswer(limit: ICMPError.frameLength) else { return }
        let bytes = UnsafeRawBufferPointer(start: ethernet, count: EthernetHeader.length + ipLength + 20)
        let written = errors.write(reason, from: router, about: bytes, summary, now: now, into: answer.room)
        if written == 0 { counters.add(.droppedErrorRateLimit) }
        sendAnswer(answer.lease, octets: written, .icmpErrorsToGuest)
    }

    /// A datagram of a mapping went no further.
    ///
    /// - Parameters:
    ///   - target: where it was sent to, as the host knows it.
    ///   - router: who reported it, if anybody did.
    ///   - payload: what is known of the datagram's payload.
    public mutating func datagramFailed(
        _ handle: Handle, to target: TransportAddress, _ reason: ICMPError.Reason, from router: IPAddress?,
        payload: UnsafeRawBufferPointer
    ) {
        guard let mapping = mappings.pointer(to: handle) else { return }
        let guest = TransportAddress(address: mapping.pointee.key.guest, port: mapping.pointee.key.guestPort)
        let shown = TransportAddress(address: addressForGuest(of: target.address), port: target.port)
        counters.add(.udpSendFailed)
        guard let packet = FailedPacket(udpFrom: guest, to: shown, payload: payload) else { return }
        sendError(reason, from: router.map { addressForGuest(of: $0) }, about: packet)
    }
}
