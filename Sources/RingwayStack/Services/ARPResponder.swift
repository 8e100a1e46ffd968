public import RingwayModel
internal import RingwayWire

/// Answers ARP requests for the IPv4 network (RFC 826), and sends ARP requests for guests' addresses.
///
/// If a guest is alone on its network, the responder answers for all other addresses of the network with the gateway's
/// ethernet address (proxy ARP, RFC 1027). On a network with several guests, each guest answers for its own address.
/// Requests for the gateway's and the host's addresses are always answered. Of the requests for other addresses, two
/// kinds get no reply: announcements, in which a guest asks for its own address (RFC 5227 §3), and probes, which are
/// sent from `0.0.0.0` (§2.1.1).
public struct ARPResponder: Sendable {
    /// Bytes of the frames that are written.
    public static var frameLength: Int { EthernetHeader.length + ARPPacket.length }

    /// Requests answered.
    public private(set) var answers: UInt64 = 0
    /// Requests not answered.
    public private(set) var drops = ServiceDropCounts()

    /// The addresses are in a struct of their own, because the compiler copies the value on which a non-mutating
    /// method is called: a call on `addresses` does not copy the counters.
    private let addresses: ARPAddresses

    /// A responder for one network.
    public init(plan: NetworkPlan) { addresses = ARPAddresses(plan) }

    /// Answers an ARP request.
    ///
    /// - Parameters:
    ///   - frame: the ethernet frame, without virtio-net header.
    ///   - reply: the buffer for the reply, `frameLength` bytes.
    ///   - isBehindSameLink: whether another node has the address and replies itself, such as the requesting guest or
    ///     another guest of the network.
    /// - Returns: the length of the reply in bytes; zero if there is no reply.
    public mutating func respond(
        to frame: UnsafeRawBufferPointer, into reply: UnsafeMutableRawBufferPointer,
        isBehindSameLink: (IPv4Address) -> Bool = { _ in false }
    ) -> Int {
        guard let ethernet = EthernetHeader(frame), ethernet.etherType == EtherType.arp,
            let question = ARPPacket(ethernet.payload), question.operation == ARPPacket.request,
            !ethernet.source.isMulticast, !question.senderMAC.isMulticast
        else { return drop(.arpMalformed) }
        guard addresses.areAsked(by: question), !isBehindSameLink(question.targetIP) else { return drop(.arpNotOurs) }
        let answer = ARPFields(
            operation: ARPPacket.reply, senderMAC: addresses.gatewayMAC, senderIP: question.targetIP,
            targetMAC: question.senderMAC, targetIP: question.senderIP)
        let length = addresses.write(answer, to: ethernet.source, into: reply)
        guard length > 0 else { return drop(.replyDoesNotFit) }
        answers &+= 1
        return length
    }

    /// Writes an ARP request for `address`.
    ///
    /// - Parameters:
    ///   - address: a guest's address.
    ///   - mac: the destination; broadcast, or unicast to confirm a known entry (RFC 1122 §2.3.2.1).
    ///   - frame: the buffer for the request, `frameLength` bytes.
    /// - Returns: the length of the request in bytes; zero if it does not fit.
    public func request(
        for address: IPv4Address, from mac: MACAddress = .broadcast, into frame: UnsafeMutableRawBufferPointer
    ) -> Int {
        let question = ARPFields(
            operation: ARPPacket.request, senderMAC: addresses.gatewayMAC, senderIP: addresses.gateway,
            targetMAC: MACAddress(rawValue: 0), targetIP: address)
        return addresses.write(question, to: mac, into: frame)
    }

    /// The IPv4 and ethernet address that the sender of an ARP request or reply claims. `nil` if the packet is
    /// invalid, or claims an address that no guest may have.
    @inline(__always)
    public func binding(in frame: UnsafeRawBufferPointer) -> NeighborBinding? { addresses.binding(in: frame) }

    private mutating func drop(_ reason: ServiceDrop) -> Int {
        drops.count(reason)
        return 0
    }
}

/// The addresses used by the ARP responder.
private struct ARPAddresses: BitwiseCopyable {
    let gatewayMAC: MACAddress
    let gateway: IPv4Address
    let host: IPv4Address
    let network: IPv4Address
    let broadcast: IPv4Address

    init(_ plan: NetworkPlan) {
        gatewayMAC = plan.gatewayMAC
        gateway = plan.gatewayIPv4
        host = plan.hostIPv4
        network = plan.ipv4Network
        broadcast = plan.broadcastIPv4
    }

    /// Whether a request is answered if no other node has the address.
    func areAsked(by question: ARPPacket) -> Bool {
        let target = question.targetIP
        // An announcement of the gateway's or host's address is a conflict, and the reply defends the address (RFC 5227
        // §2.4).
        if target == gateway || target == host { return true }
        guard target > network, target < broadcast else { return false }
        return target != question.senderIP && !question.senderIP.isUnspecified
    }

    /// Writes an ARP packet from the gateway as an ethernet frame. Returns its length, or zero if it does not fit.
    @inline(__always)
    func write(_ fields: ARPFields, to mac: MACAddress, into frame: UnsafeMutableRawBufferPointer) -> Int {
        guard let base = frame.baseAddress, frame.count >= ARPResponder.frameLength else { return 0 }
        EthernetFields(destination: mac, source: gatewayMAC, etherType: EtherType.arp).write(to: base)
        fields.write(to: base + EthernetHeader.length)
        return ARPResponder.frameLength
    }

    func binding(in frame: UnsafeRawBufferPointer) -> NeighborBinding? {
        guard let ethernet = EthernetHeader(frame), ethernet.etherType == EtherType.arp,
            let packet = ARPPacket(ethernet.payload),
            packet.operation == ARPPacket.request || packet.operation == ARPPacket.reply,
            !packet.senderMAC.isMulticast, packet.senderMAC.rawValue != 0, packet.senderMAC != gatewayMAC
        else { return nil }
        let sender = packet.senderIP
        guard sender > network, sender < broadcast, sender != gateway, sender != host else { return nil }
        return NeighborBinding(address: IPAddress(sender), mac: packet.senderMAC)
    }
}
