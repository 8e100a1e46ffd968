public import RingwayModel
public import RingwayWire

/// Answers neighbour solicitations for the gateway's and the host's IPv6 addresses (RFC 4861 §7), and sends
/// solicitations for guests' addresses.
///
/// Unlike ARP requests, solicitations of other addresses are never answered. IPv6 guests choose addresses themselves
/// and probe them first (duplicate address detection, RFC 4862 §5.4); a reply would keep a guest from using the
/// address. The reply to a probe of the gateway's or host's address goes to all nodes (RFC 4861 §7.2.4).
public struct NeighborDiscovery: Sendable {
    /// Bytes of the frames that are written.
    public static var frameLength: Int {
        EthernetHeader.length + IPv6Header.length + NeighborSolicitationFields.lengthLimit
    }

    /// RFC 4861 §7.1: a hop limit below 255 shows that the message has crossed a router.
    static var hopLimit: UInt8 { 255 }

    /// Solicitations answered.
    public private(set) var answers: UInt64 = 0
    /// Solicitations not answered.
    public private(set) var drops = ServiceDropCounts()

    private let gatewayMAC: MACAddress
    private let gateway: IPv6Address
    private let gatewayLinkLocal: IPv6Address
    private let host: IPv6Address

    /// A responder for one network.
    public init(plan: NetworkPlan) {
        gatewayMAC = plan.gatewayMAC
        gateway = plan.gatewayIPv6
        gatewayLinkLocal = plan.gatewayLinkLocal
        host = plan.hostIPv6
    }

    /// Answers a neighbour solicitation.
    ///
    /// - Parameters:
    ///   - frame: the ethernet frame, without virtio-net header.
    ///   - summary: the result of `FrameSummary.parse` for the frame; of kind `.icmpv6`.
    ///   - reply: the buffer for the reply, `frameLength` bytes.
    /// - Returns: the length of the reply in bytes; zero if there is no reply.
    public mutating func respond(
        to frame: UnsafeRawBufferPointer, _ summary: FrameSummary, into reply: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard summary.hopLimit == Self.hopLimit else { return drop(.neighborHopLimit) }
        guard summary.kind == .icmpv6, let message = summary.checkedMessage(in: frame),
            let question = NeighborSolicitation(message), isWellFormed(question, summary)
        else { return drop(.neighborMalformed) }
        let target = question.target
        guard isGateway(target) || target == host else { return drop(.neighborNotOurs) }
        let isProbe = summary.source.isUnspecified
        let fields = NeighborAdvertisementFields(
            target: target, targetLinkLayerAddress: gatewayMAC, isRouter: isGateway(target), isSolicited: !isProbe,
            overrides: true)
        let destination = isProbe ? IPv6Address.allNodes : summary.source.ipv6
        let packet = header(from: target, to: destination, length: NeighborAdvertisementFields.lengthLimit)
        let answer = packet.start(
            in: reply, from: gatewayMAC, to: isProbe ? .multicast(destination) : summary.sourceMAC)
        guard let answer, let base = answer.baseAddress else { return drop(.replyDoesNotFit) }
        precondition(fields.write(to: base) == answer.count, "an advertisement of another length than announced")
        packet.sealICMP(answer)
        answers &+= 1
        return Self.frameLength
    }

    /// The checks of RFC 4861 §7.1.1 that `NeighborSolicitation` does not make: a probe, which has the unspecified
    /// source, must go to the solicited-node group and must have no source link-layer address option.
    private func isWellFormed(_ question: NeighborSolicitation, _ summary: FrameSummary) -> Bool {
        guard summary.source.isUnspecified else { return true }
        return summary.destination.ipv6 == question.target.solicitedNodeMulticast
            && question.options.option(NDPOptions.sourceLinkLayerAddress) == nil
    }

    private func isGateway(_ address: IPv6Address) -> Bool { address == gateway || address == gatewayLinkLocal }

    /// Writes a neighbour solicitation for `address`.
    ///
    /// - Parameters:
    ///   - address: a guest's address.
    ///   - mac: the destination, to confirm a known entry by unicast (RFC 4861 §7.3.3); `nil` for the solicited-node
    ///     group.
    ///   - frame: the buffer for the solicitation, `frameLength` bytes.
    /// - Returns: the length of the solicitation in bytes; zero if it does not fit.
    public func solicitation(
        for address: IPv6Address, from mac: MACAddress? = nil, into frame: UnsafeMutableRawBufferPointer
    ) -> Int {
        let destination = mac == nil ? address.solicitedNodeMulticast : address
        let packet = header(
            from: gatewayLinkLocal, to: destination, length: NeighborSolicitationFields.lengthLimit)
        let question = packet.start(in: frame, from: gatewayMAC, to: mac ?? .multicast(destination))
        guard let question, let base = question.baseAddress else { return 0 }
        let fields = NeighborSolicitationFields(target: address, sourceLinkLayerAddress: gatewayMAC)
        precondition(fields.write(to: base) == question.count, "a solicitation of another length than announced")
        packet.sealICMP(question)
        return Self.frameLength
    }

    /// The binding that a guest's solicitation or advertisement announces; `nil` if the message is invalid, announces
    /// none, or claims an address of the gateway or the host.
    public func binding(in frame: UnsafeRawBufferPointer, _ summary: FrameSummary) -> NeighborBinding? {
        guard summary.kind == .icmpv6, summary.hopLimit == Self.hopLimit,
            let message = summary.checkedMessage(in: frame)
        else { return nil }
        let address: IPv6Address
        let mac: MACAddress?
        if let question = NeighborSolicitation(message) {
            address = summary.source.ipv6
            mac = isWellFormed(question, summary) ? question.sourceLinkLayerAddress : nil
        } else if let answer = NeighborAdvertisement(message) {
            // RFC 4861 §7.1.2: a solicited advertisement is never multicast.
            guard !(answer.isSolicited && summary.destination.isMulticast) else { return nil }
            address = answer.target
            mac = answer.targetLinkLayerAddress ?? summary.sourceMAC
        } else {
            return nil
        }
        guard let mac, !mac.isMulticast, mac.rawValue != 0, mac != gatewayMAC, !address.isUnspecified,
            !address.isMulticast, !isGateway(address), address != host
        else { return nil }
        return NeighborBinding(address: IPAddress(address), mac: mac)
    }

    /// The address that a guest's message shows to be the guest's: the address in `binding`, or the one that the
    /// guest probes (RFC 4862 §5.4) and will use a moment later.
    func address(shownIn frame: UnsafeRawBufferPointer, _ summary: FrameSummary) -> IPAddress? {
        if let binding = binding(in: frame, summary) { return binding.address }
        guard summary.kind == .icmpv6, summary.source.isUnspecified, summary.hopLimit == Self.hopLimit,
            let message = summary.checkedMessage(in: frame), let probe = NeighborSolicitation(message),
            isWellFormed(probe, summary), !isGateway(probe.target), probe.target != host
        else { return nil }
        return IPAddress(probe.target)
    }

    private func header(from source: IPv6Address, to destination: IPv6Address, length: Int) -> PacketHeaders {
        PacketHeaders(
            from: IPAddress(source), to: IPAddress(destination), protocolNumber: IPProtocol.icmpv6,
            payloadLength: length, hopLimit: Self.hopLimit)
    }

    private mutating func drop(_ reason: ServiceDrop) -> Int {
        drops.count(reason)
        return 0
    }
}
