public import RingwayWire

/// Which destinations a guest may reach: the longest matching prefix decides, and of two equally long ones the refusal.
///
/// Without a match a destination is allowed, except link-local addresses (169.254.0.0/16, fe80::/10: cloud metadata
/// services live there), which must be allowed by name.
public struct DestinationPolicy: Sendable {
    public var allow: [CIDRBlock]
    public var deny: [CIDRBlock]
    /// Whether the network's host address reaches the host's own loopback.
    public var hostLoopback: Bool

    public init(allow: [CIDRBlock] = [], deny: [CIDRBlock] = [], hostLoopback: Bool = true) {
        self.allow = allow
        self.deny = deny
        self.hostLoopback = hostLoopback
    }

    /// Whether a flow to `address`, as the host would dial it, may be opened. Asked once per flow.
    public func permits(_ address: IPAddress) -> Bool {
        func longest(_ blocks: [CIDRBlock]) -> Int {
            var longest = -1
            for block in blocks where block.contains(address) { longest = max(longest, block.prefixLength) }
            return longest
        }
        let allowed = longest(allow)
        let denied = longest(deny)
        if allowed < 0 && denied < 0 { return !address.isLinkLocal }
        return allowed > denied
    }
}

/// What a destination address, seen from the guest, means on the host.
enum Destination {
    /// The gateway's own address: only its services answer.
    case gateway
    /// A host to reach through a socket.
    case host(IPAddress)
    /// Refused by policy.
    case refused
    /// Nobody there: an unused address of the network itself.
    case absent
    /// Multicast, broadcast and addresses no router forwards.
    case unroutable
}

extension Stack {
    mutating func destination(of address: IPAddress) -> Destination {
        if plan.isGateway(address) { return .gateway }
        if plan.isHost(address) {
            // The host may be denied by the address under which the guest knows it.
            guard policy.hostLoopback, policy.permits(address) else { return .refused }
            return .host(
                address.isIPv4
                    ? IPAddress(IPv4Address(127, 0, 0, 1)) : IPAddress(IPv6Address(high: 0, low: 1)))
        }
        if address.isMulticast || address.isUnspecified || address.isLoopback { return .unroutable }
        if address.isIPv4 {
            if address.ipv4.isBroadcast || address.ipv4 == plan.broadcastIPv4 { return .unroutable }
        }
        if plan.contains(address) { return .absent }
        return policy.permits(address) ? .host(address) : .refused
    }

    /// The address under which the guest knows a peer of the host: its own, except that a loopback address becomes the
    /// network's host address.
    func addressForGuest(of peer: IPAddress) -> IPAddress { shownToGuest(peer, by: peer) }

    /// The same for a guest's address that may be of the other family, in which the peer appears as the host.
    public func shownToGuest(_ peer: IPAddress, by guest: IPAddress) -> IPAddress {
        if peer.isIPv4 == guest.isIPv4, !peer.isLoopback { return peer }
        return guest.isIPv4 ? IPAddress(plan.hostIPv4) : IPAddress(plan.hostIPv6)
    }
}
