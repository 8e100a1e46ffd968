public import RingwayWire

/// Which shard owns a flow: computable by any shard, stored nowhere.
///
/// TCP goes by the whole tuple. UDP and ping go by the guest's end alone, because their mappings are endpoint-independent.
/// Frames that belong to no flow go to the service shard, which is the first.
extension FlowKey {
    /// The key of a connection that a client of a published port opens.
    ///
    /// - Parameters:
    ///   - client: the client's address as the guest sees it.
    ///   - guest: where the port is published to.
    public init(client: IPAddress, _ clientPort: UInt16, of guest: TransportAddress) {
        self.init(
            guest: guest.address, guestPort: guest.port, remote: client, remotePort: clientPort, transport: .tcp)
    }

    /// The shard that owns the flow with this key.
    public func owner(shards: Int, secret: UInt64) -> Int {
        // The high half of the hash: the flow table uses the low one, and must not lose entropy to the choice of shard.
        Int((hash(secret: secret) >> 32) % UInt64(shards))
    }
}

extension FrameSummary {
    /// The shard that owns the flow that a frame belongs to.
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
            // Neighbour discovery has no identifier; an echo may have the identifier zero.
            guard sourcePort != 0 else { return 0 }
            key = FlowKey(guest: source, guestPort: sourcePort, transport: .icmpv6)
        case .arp, .fragment, .otherProtocol:
            return 0
        }
        return key.owner(shards: shards, secret: secret)
    }

    /// The same where the frame is at hand: an ICMP error goes to the owner of the flow that it is about.
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
