public import RingwayStorage
public import RingwayWire

/// Frames from the guest: who owns them, and what happens to them.
extension Stack {
    /// The shard that owns the conversation a frame belongs to: computable by any shard, stored nowhere.
    ///
    /// TCP goes by the whole tuple. UDP and ping go by the guest's end alone, because their mappings are
    /// endpoint-independent. What belongs to no flow goes to the service shard.
    public static func owner(of summary: FrameSummary, shards: Int, secret: UInt64) -> Int {
        if shards == 1 { return 0 }
        let key: FlowKey
        switch summary.kind {
        case .tcp:
            key = FlowKey(
                guest: summary.source, guestPort: summary.sourcePort, remote: summary.destination,
                remotePort: summary.destinationPort, transport: .tcp)
        case .udp:
            if summary.destinationPort == Self.dhcpServerPort { return 0 }
            key = FlowKey(guest: summary.source, guestPort: summary.sourcePort, transport: .udp)
        case .icmp:
            key = FlowKey(guest: summary.source, guestPort: summary.sourcePort, transport: .icmp)
        case .icmpv6:
            // Neighbour discovery has no identifier; an echo may have the identifier zero.
            guard summary.sourcePort != 0 else { return 0 }
            key = FlowKey(guest: summary.source, guestPort: summary.sourcePort, transport: .icmpv6)
        case .arp, .fragment, .otherProtocol:
            return 0
        }
        return owner(of: key, shards: shards, secret: secret)
    }

    /// The same where the frame is at hand: an ICMP error goes to the flow that it is about.
    ///
    /// - Parameter frame: the frame, virtio-net header first.
    public static func owner(
        of summary: FrameSummary, in frame: UnsafeRawBufferPointer, shards: Int, secret: UInt64
    ) -> Int {
        if shards == 1 { return 0 }
        if summary.kind == .icmp || summary.kind == .icmpv6,
            let error = GuestError(summary, UnsafeRawBufferPointer(rebasing: frame[VirtioNetHeader.length...]))
        {
            return owner(of: error.flowKey, shards: shards, secret: secret)
        }
        return owner(of: summary, shards: shards, secret: secret)
    }

    /// The shard that owns the flow with this key.
    public static func owner(of key: FlowKey, shards: Int, secret: UInt64) -> Int {
        // The high half of the hash: the flow table uses the low one, and must not lose entropy to the choice of shard.
        Int((key.hash(secret: secret) >> 32) % UInt64(shards))
    }

    /// Takes a frame that was parsed without fault. The frame, virtio-net header first, starts at the buffer's first
    /// octet. Takes the lease.
    public mutating func receiveFrame(_ summary: FrameSummary, _ lease: Lease, length: Int) {
        let frame = UnsafeRawPointer(space.address(of: lease)) + VirtioNetHeader.length
        if summary.kind == .tcp {
            guard accepts(summary) else { return release(lease) }
            return receiveTCP(summary, lease, frame)
        }
        let bytes = UnsafeRawBufferPointer(start: frame, count: length - VirtioNetHeader.length)
        switch summary.kind {
        case .tcp, .udp:
            if summary.destinationPort == Self.dhcpServerPort && !summary.isIPv6 {
                receiveDHCP(summary, bytes)
                return release(lease)
            }
            guard accepts(summary) else { return release(lease) }
            receiveUDP(summary, lease, bytes)
        case .icmp:
            guard accepts(summary) else { return release(lease) }
            receiveICMP(summary, lease, bytes)
        case .icmpv6:
            if Self.isEchoOrError(summary, bytes) {
                guard accepts(summary) else { return release(lease) }
                receiveICMP(summary, lease, bytes)
            } else {
                receiveNeighborDiscovery(summary, bytes)
                release(lease)
            }
        case .arp:
            receiveARP(bytes)
            release(lease)
        case .fragment:
            guard accepts(summary) else { return release(lease) }
            receiveFragment(summary, bytes)
            release(lease)
        case .otherProtocol:
            receiveOther(summary, bytes)
            release(lease)
        }
    }

    static var dhcpServerPort: UInt16 { 67 }

    /// Whether an ICMPv6 message belongs to a flow, not to neighbour discovery: errors are below 128 (RFC 4443 §2.1).
    private static func isEchoOrError(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes[Int(summary.transportOffset)] <= ICMPv6Header.echoRequest
    }

    /// Whether the frame comes from an address of this network; learns the guest's ethernet address.
    @inline(__always)
    private mutating func accepts(_ summary: FrameSummary) -> Bool {
        guard plan.isGuest(summary.source) else {
            counters.add(.droppedSpoofedSource)
            return false
        }
        if summary.sourceMAC != guestMAC { guestMAC = summary.sourceMAC }
        return true
    }

    /// A protocol we do not carry: the guest is told (RFC 1122 §3.2.2.1), multicast is not worth a word.
    private mutating func receiveOther(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) {
        counters.add(.droppedUnsupported)
        guard !summary.destination.isMulticast, accepts(summary) else { return }
        sendError(.protocolUnreachable, about: bytes, summary)
    }

    /// Puts fragments together; the whole datagram enters again as one frame.
    private mutating func receiveFragment(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) {
        counters.add(.fragmentsFromGuest)
        let before = reassembler.drops.total
        let datagram = reassembler.add(bytes, summary, now: now)
        let dropped = reassembler.drops.total - before
        if dropped > 0 { counters.add(.droppedFragment, Int(dropped)) }
        scheduleServices()
        guard let datagram else { return }
        counters.add(.datagramsReassembled)
        guard let answer = prepareAnswer(limit: datagram.frameLength) else { return }
        let written = datagram.writeFrame(into: answer.room)
        guard written > 0 else { return release(answer.lease) }
        var effect = Effect(.reenterFrame)
        effect.lease = answer.lease
        effect.length = UInt32(VirtioNetHeader.length + written)
        effects.append(effect)
    }
}
