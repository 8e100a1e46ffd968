public import RingwayModel
internal import RingwayWire

/// Answers ARP requests for the IPv4 network (RFC 826), and sends ARP requests for guests' addresses.
///
/// For a guest that is alone on its network, every address but its own is at the gateway's ethernet address (proxy ARP,
/// RFC 1027). Neighbours answer for themselves. Two kinds of requests get no reply: announcements, in which a guest
/// asks for its own address (RFC 5227 §3), and probes from `0.0.0.0` (§2.1.1), which are answered for the gateway's and
/// the host's addresses only.
public struct ARPResponder: Sendable {
    /// Bytes of the frames that are written.
    public static var frameLength: Int { EthernetHeader.length + ARPPacket.length }

    /// Requests answered.
    public private(set) var answers: UInt64 = 0
    /// Requests not answered.
    public private(set) var drops = ServiceDropCounts()

    private let gatewayMAC: MACAddress
    private let gateway: IPv4Address
    private let host: IPv4Address
    private let network: IPv4Address
    private let broadcast: IPv4Address

    /// A responder for one network.
    public init(plan: NetworkPlan) {
        gatewayMAC = plan.gatewayMAC
        gateway = plan.gatewayIPv4
        host = plan.hostIPv4
        network = plan.ipv4Network
        broadcast = plan.broadcastIPv4
    }

    /// Answers an ARP request.
    ///
    /// - Parameters:
    ///   - frame: the ethernet frame, without virtio-net header.
    ///   - reply: the buffer for the reply, `frameLength` bytes.
    ///   - isBehindSameLink: whether a node on the requesting link holds the address and will reply itself, such as a
    ///     container that the guest bridges onto the link.
    /// - Returns: bytes of the reply, zero for none.
    public mutating func respond(
        to frame: UnsafeRawBufferPointer, into reply: UnsafeMutableRawBufferPointer,
        isBehindSameLink: (IPv4Address) -> Bool = { _ in false }
    ) -> Int {
        guard let ethernet = EthernetHeader(frame), ethernet.etherType == EtherType.arp,
            let question = ARPPacket(ethernet.payload), question.operation == ARPPacket.request,
            !ethernet.source.isMulticast, !question.senderMAC.isMulticast
        else { return drop(.arpMalformed) }
        guard isOurs(question), !isBehindSameLink(question.targetIP) else { return drop(.arpNotOurs) }
        let packet = EthernetFrame.start(
            in: reply, from: gatewayMAC, to: ethernet.source, etherType: EtherType.arp, length: ARPPacket.length)
        guard let base = packet?.baseAddress else { return drop(.replyDoesNotFit) }
        ARPFields(
            operation: ARPPacket.reply, senderMAC: gatewayMAC, senderIP: question.targetIP,
            targetMAC: question.senderMAC, targetIP: question.senderIP
        ).write(to: base)
        answers &+= 1
        return Self.frameLength
    }

    private func isOurs(_ question: ARPPacket) -> Bool {
        let target = question.targetIP
        // An announcement of the gateway's or host's address is a conflict; the reply defends the address (RFC 5227
        // §2.4).
        if target == gateway || target == host { return true }
        guard target > network, target < broadcast else { return false }
        return target != question.senderIP && !question.senderIP.isUnspecified
    }

    /// Writes an ARP request for `address`.
    ///
    /// - Parameters:
    ///   - address: a guest's address.
    ///   - mac: the destination; broadcast, or unicast to confirm a known entry (RFC 1122 §2.3.2.1).
    ///   - frame: the buffer for the request, `frameLength` bytes.
    /// - Returns: bytes of the request, zero when it does not fit.
    public func request(
        for address: IPv4Address, from mac: MACAddress = .broadcast, into frame: UnsafeMutableRawBufferPointer
    ) -> Int {
        let packet = EthernetFrame.start(
            in: frame, from: gatewayMAC, to: mac, etherType: EtherType.arp, length: ARPPacket.length)
        guard let base = packet?.baseAddress else { return 0 }
        ARPFields(
            operation: ARPPacket.request, senderMAC: gatewayMAC, senderIP: gateway,
            targetMAC: MACAddress(rawValue: 0), targetIP: address
        ).write(to: base)
        return Self.frameLength
    }

    /// The sender's binding in an ARP packet; `nil` if it has none, or claims an address that no guest may have.
    public func binding(in frame: UnsafeRawBufferPointer) -> NeighborBinding? {
        guard let ethernet = EthernetHeader(frame), ethernet.etherType == EtherType.arp,
            let packet = ARPPacket(ethernet.payload),
            packet.operation == ARPPacket.request || packet.operation == ARPPacket.reply,
            !packet.senderMAC.isMulticast, packet.senderMAC.rawValue != 0, packet.senderMAC != gatewayMAC
        else { return nil }
        let sender = packet.senderIP
        guard sender > network, sender < broadcast, sender != gateway, sender != host else { return nil }
        return NeighborBinding(address: IPAddress(sender), mac: packet.senderMAC)
    }

    private mutating func drop(_ reason: ServiceDrop) -> Int {
        drops.count(reason)
        return 0
    }
}
