internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// Where packets from the guest to a destination address go.
enum Destination {
    /// The gateway's own address: only its services answer.
    case gateway
    /// A host, reached through a socket.
    case host(IPAddress)
    /// Refused by policy.
    case refused
    /// An address of the guest's own network that is neither the gateway's nor the host's.
    case absent
    /// Multicast, broadcast and other addresses that a router does not forward.
    case unroutable
}

extension StackCore {
    mutating func destination(of address: IPAddress) -> Destination {
        if plan.isGateway(address) { return .gateway }
        if plan.isHost(address) {
            let loopback =
                address.isIPv4 ? IPAddress(IPv4Address(127, 0, 0, 1)) : IPAddress(IPv6Address(high: 0, low: 1))
            return policy.permits(loopback, as: address) ? .host(loopback) : .refused
        }
        if address.isMulticast || address.isUnspecified || address.isLoopback { return .unroutable }
        if address.isIPv4 {
            if address.ipv4.isBroadcast || address.ipv4 == plan.broadcastIPv4 { return .unroutable }
        }
        if plan.contains(address) { return .absent }
        return policy.permits(address) ? .host(address) : .refused
    }

    /// The destination of a guest's datagram or echo request if it is the gateway or a host, otherwise `nil`. If it is
    /// refused, the packet is counted and the guest gets an ICMP error. If it is absent, the guest gets an ICMP error.
    /// If it is unroutable, the packet is only counted.
    mutating func reachableDestination(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) -> Destination? {
        let found = destination(of: summary.destination)
        switch found {
        case .gateway, .host: return found
        case .refused:
            counters.add(.droppedPolicy)
            sendError(.administrativelyProhibited, about: bytes, summary)
        case .absent: sendError(.hostUnreachable, about: bytes, summary)
        case .unroutable: counters.add(.droppedForeignDestination)
        }
        return nil
    }

    /// Whether this shard owns the flow.
    func isOurs(_ key: FlowKey) -> Bool {
        key.owner(shards: configuration.shards, secret: configuration.secret) == configuration.shard
    }

    // MARK: Datagrams for mappings and pings

    /// Records that the guest has sent to a peer of a mapping or a ping; the peer's datagrams are accepted from now on.
    mutating func notePeer(_ key: FlowKey, of owner: UInt32) {
        if peers.note(key, of: owner, in: &table) { counters.add(.udpPeersEvicted) }
    }

    /// Whether a datagram from `sender`, an address on the host's side, passes to the guest: the guest must be allowed
    /// to send to that address, and must have sent to it unless the filter is endpoint-independent. Refusals are
    /// counted.
    ///
    /// - Parameters:
    ///   - key: the key of the mapping or ping.
    ///   - last: the peer that the guest sent to most recently.
    @inline(__always)
    mutating func admits(
        _ sender: TransportAddress, by key: FlowKey, lastTarget last: TransportAddress, _ filtering: UDPFiltering
    ) -> Bool {
        guard mayReachGuest(sender.address) else {
            counters.add(.droppedRefusedSender)
            return false
        }
        if filtering.covers(last, sender) || peers.contains(key.peer(sender, filtering), in: table) { return true }
        counters.add(.droppedUnsolicited)
        return false
    }

    private mutating func mayReachGuest(_ sender: IPAddress) -> Bool {
        let shown = plan.addressForGuest(of: sender)
        guard case .host(let reached) = destination(of: shown) else { return false }
        // All loopback addresses appear to the guest as the host address, which `destination(of:)` maps to 127.0.0.1
        // or ::1. A sender with another loopback address passes only if the policy permits that address, too.
        return reached == sender || policy.permits(sender, as: shown)
    }
}

extension NetworkPlan {
    /// The address under which the guest sees a peer whose address on the host's side is `peer`. The two are equal,
    /// except that a loopback address becomes the network's host address.
    func addressForGuest(of peer: IPAddress) -> IPAddress { shownToGuest(peer, by: peer) }

    /// Like `addressForGuest(of:)`, but the guest's address may be of the other family; the peer then appears at the
    /// host address of the guest's family.
    func shownToGuest(_ peer: IPAddress, by guest: IPAddress) -> IPAddress {
        if peer.isIPv4 == guest.isIPv4, !peer.isLoopback { return peer }
        return guest.isIPv4 ? IPAddress(hostIPv4) : IPAddress(hostIPv6)
    }
}
