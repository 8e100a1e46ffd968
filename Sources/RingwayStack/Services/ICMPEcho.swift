public import RingwayModel
public import RingwayWire

/// Answers echo requests to the gateway itself (RFC 1122 §3.2.2.6, RFC 4443 §4.1 and §4.2).
///
/// Requests to broadcast and multicast addresses are not answered, as RFC 1122 allows, because one request must not
/// cause many replies.
public struct ICMPEcho: Sendable {
    /// Requests answered.
    public private(set) var answers: UInt64 = 0
    /// Requests not answered.
    public private(set) var drops = ServiceDropCounts()

    private let gatewayMAC: MACAddress
    private let gatewayIPv4: IPAddress
    private let gatewayIPv6: IPAddress
    private let gatewayLinkLocal: IPAddress
    private let mtu: Int

    /// A responder for the gateway of one network.
    public init(plan: NetworkPlan) {
        gatewayMAC = plan.gatewayMAC
        gatewayIPv4 = IPAddress(plan.gatewayIPv4)
        gatewayIPv6 = IPAddress(plan.gatewayIPv6)
        gatewayLinkLocal = IPAddress(plan.gatewayLinkLocal)
        mtu = plan.mtu
    }

    /// Answers an echo request that arrived as one frame.
    ///
    /// - Parameters:
    ///   - frame: the ethernet frame, without virtio-net header.
    ///   - summary: the result of `FrameSummary.parse` for the frame; of kind `.icmp` or `.icmpv6`.
    ///   - target: the buffer for the reply; the frame's own length suffices.
    /// - Returns: the length of the reply in bytes; zero if there is no reply, or if it would exceed the MTU. For a
    ///   reassembled request above the MTU, use `answer(to:_:into:)` and a `Fragmenter` instead.
    public mutating func respond(
        to frame: UnsafeRawBufferPointer, _ summary: FrameSummary, into target: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard let request = summary.checkedMessage(in: frame) else { return drop(.echoMalformed) }
        let packet = reply(to: summary, length: request.count)
        guard packet.ipLength + request.count <= mtu,
            let message = packet.start(in: target, from: gatewayMAC, to: summary.sourceMAC)
        else { return drop(.replyDoesNotFit) }
        guard answer(to: request, summary, into: message) > 0 else { return 0 }
        return packet.ethernetLength
    }

    /// Writes the ICMP message that answers a request, from its ICMP header on, with its checksum.
    ///
    /// - Parameters:
    ///   - request: the ICMP message, of any length.
    ///   - summary: the addresses and the family of the request.
    ///   - message: the buffer for the reply, at least as long as the request.
    /// - Returns: the length of the reply in bytes; zero if there is no reply.
    public mutating func answer(
        to request: UnsafeRawBufferPointer, _ summary: FrameSummary, into message: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard isOurs(summary.destination), isUnicast(summary.source) else { return drop(.echoNotOurs) }
        let type = summary.isIPv6 ? ICMPv6Header.echoRequest : ICMPv4Header.echoRequest
        guard let header = ICMPv4Header(request), header.type == type, header.code == 0 else {
            return drop(.echoMalformed)
        }
        guard message.count >= request.count, let base = message.baseAddress else { return drop(.replyDoesNotFit) }
        let answer = UnsafeMutableRawBufferPointer(start: base, count: request.count)
        answer.copyMemory(from: request)
        ICMPFields(
            type: summary.isIPv6 ? ICMPv6Header.echoReply : ICMPv4Header.echoReply, identifier: header.identifier,
            sequence: header.sequence
        ).write(to: base)
        reply(to: summary, length: request.count).sealICMP(answer)
        answers &+= 1
        return request.count
    }

    private func reply(to summary: FrameSummary, length: Int) -> PacketHeaders {
        PacketHeaders(
            from: summary.destination, to: summary.source,
            protocolNumber: summary.isIPv6 ? IPProtocol.icmpv6 : IPProtocol.icmp, payloadLength: length,
            trafficClass: summary.trafficClass & ~3)
    }

    /// Whether the address is one of the gateway's. Echo requests to these are answered here.
    public func isOurs(_ destination: IPAddress) -> Bool {
        destination == gatewayIPv4 || destination == gatewayIPv6 || destination == gatewayLinkLocal
    }

    private func isUnicast(_ source: IPAddress) -> Bool {
        !source.isUnspecified && !source.isMulticast && !(source.isIPv4 && source.ipv4.isBroadcast)
    }

    private mutating func drop(_ reason: ServiceDrop) -> Int {
        drops.count(reason)
        return 0
    }
}
