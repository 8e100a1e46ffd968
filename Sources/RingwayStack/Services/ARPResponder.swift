public import RingwayWire

/// Answers ARP for the whole IPv4 network (RFC 826), and asks for guests' addresses.
///
/// A guest that is alone on its network has everything behind the gateway: every address of the network but its own is
/// at the gateway's ethernet address (proxy ARP, RFC 1027). Neighbours answer for themselves, as a guest that asks this
/// responder tells it. Two questions get no answer even so:
/// an announcement, in which a guest asks for its own address (RFC 5227 §3), and a probe, in which it asks from
/// `0.0.0.0` whether an address is free (§2.1.1); only for the gateway's and the host's it is not.
public struct ARPResponder: Sendable {
    /// Bytes of the frames that are written.
    public static var frameLength: Int { EthernetHeader.length + ARPPacket.length }

    /// Questions answered.
    public private(set) var answers: UInt64 = 0
    /// Questions not answered.
    public private(set) var drops = ServiceDropCounts()

    /// Apart from the counters: a method that changes nothing is given a copy of the value that it is called on.
    private let addresses: ARPAddresses

    /// A responder for one network.
    public init(plan: NetworkPlan) { addresses = ARPAddresses(plan) }

    /// Answers an ARP request.
    ///
    /// - Parameters:
    ///   - frame: the ethernet frame, without virtio-net header.
    ///   - reply: where the answer goes, `frameLength` bytes.
    ///   - isBehindSameLink: whether an address is held by a node on the link that asks, which will answer for it: a
    ///     guest that bridges its own containers onto the link, say.
    /// - Returns: bytes of the answer, zero when there is none.
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

    /// Writes the request for `address`.
    ///
    /// - Parameters:
    ///   - address: a guest's.
    ///   - mac: where to send it; broadcast, unless a known answer is to be confirmed (RFC 1122 §2.3.2.1).
    ///   - frame: where the question goes, `frameLength` bytes.
    /// - Returns: bytes of the question, zero when it does not fit.
    public func request(
        for address: IPv4Address, from mac: MACAddress = .broadcast, into frame: UnsafeMutableRawBufferPointer
    ) -> Int {
        let question = ARPFields(
            operation: ARPPacket.request, senderMAC: addresses.gatewayMAC, senderIP: addresses.gateway,
            targetMAC: MACAddress(rawValue: 0), targetIP: address)
        return addresses.write(question, to: mac, into: frame)
    }

    /// What the sender of an ARP packet, question or answer, tells about itself; `nil` when that is nothing, or when it
    /// claims an address that no guest may have.
    @inline(__always)
    public func binding(in frame: UnsafeRawBufferPointer) -> NeighborBinding? { addresses.binding(in: frame) }

    private mutating func drop(_ reason: ServiceDrop) -> Int {
        drops.count(reason)
        return 0
    }
}

/// The addresses of a network that ARP knows.
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

    /// Whether a question is answered.
    func areAsked(by question: ARPPacket) -> Bool {
        let target = question.targetIP
        // An announcement of one of ours is a conflict, and answering it is the defence (RFC 5227 §2.4).
        if target == gateway || target == host { return true }
        guard target > network, target < broadcast else { return false }
        return target != question.senderIP && !question.senderIP.isUnspecified
    }

    /// Writes a packet of the gateway's as an ethernet frame. Returns its length, zero when it does not fit.
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
