public import RingwayModel
public import RingwayWire

/// The shard that owns a flow, computed from the flow's key; the result is not stored.
///
/// TCP uses the whole tuple. UDP and ping use only the guest's address and port, because their mappings are
/// endpoint-independent. Frames that belong to no flow (ARP, DHCP, neighbour discovery, fragments, other protocols)
/// go to the first shard.
extension FlowKey {
    /// The key of a connection that a client of a published port opens.
    ///
    /// - Parameters:
    ///   - client: the client's address as the guest sees it.
    ///   - guest: the guest's address and port to which the host's port is published.
    public init(client: IPAddress, _ clientPort: UInt16, of guest: TransportAddress) {
        self.init(
            guest: guest.address, guestPort: guest.port, remote: client, remotePort: clientPort, transport: .tcp)
    }

    /// The shard that owns the flow with this key.
    public func owner(shards: Int, secret: UInt64) -> Int {
        // Uses the high half of the hash, because the flow table uses the low half: if the choice of the shard depended
        // on those bits, the keys of one shard would differ in fewer of them.
        Int((hash(secret: secret) >> 32) % UInt64(shards))
    }
}

extension FrameSummary {
    /// The shard that owns the flow that the frame's headers identify. An ICMP error concerns the flow of the packet
    /// that it quotes; `owner(in:shards:secret:)` finds that flow.
    @inlinable
    public func owner(shards: Int, secret: UInt64) -> Int {
        shards == 1 ? 0 : ownerOfSeveral(shards, secret: secret)
    }

    @usableFromInline
    func ownerOfSeveral(_ shards: Int, secret: UInt64) -> Int {
        let key: FlowKey
        switch kind {
        case .tcp:
            key = FlowKey(
                guest: source, guestPort: sourcePort, remote: destination, remotePort: destinationPort, transport: .tcp)
        case .udp:
            if destinationPort == Services.dhcpServerPort { return 0 }
            key = FlowKey(guest: source, guestPort: sourcePort, transport: .udp)
        case .icmp:
            key = FlowKey(guest: source, guestPort: sourcePort, transport: .icmp)
        case .icmpv6:
            // ICMPv6 messages other than echo, such as neighbour discovery, have no identifier and go to the first
            // shard, as does an echo with identifier zero.
            guard sourcePort != 0 else { return 0 }
            key = FlowKey(guest: source, guestPort: sourcePort, transport: .icmpv6)
        case .arp, .fragment, .otherProtocol:
            return 0
        }
        return key.owner(shards: shards, secret: secret)
    }

    /// The shard that owns the flow of a frame whose bytes are available. For an ICMP error, this is the flow of the
    /// packet that the error quotes.
    ///
    /// - Parameter frame: the frame, virtio-net header first.
    public func owner(in frame: UnsafeRawBufferPointer, shards: Int, secret: UInt64) -> Int {
        if shards == 1 { return 0 }
        if kind == .icmp || kind == .icmpv6,
            let error = GuestError(self, UnsafeRawBufferPointer(rebasing: frame[VirtioNetHeader.length...]))
        {
            return error.flowKey.owner(shards: shards, secret: secret)
        }
        return owner(shards: shards, secret: secret)
    }
}
