internal import RingwayStorage
public import RingwayWire

/// Which destinations a guest may reach, and which of them may send to it: the longest matching prefix decides, and of two
/// equally long ones the refusal.
///
/// Without a match a destination is allowed, except link-local addresses (169.254.0.0/16, fe80::/10: cloud metadata
/// services live there), which must be allowed by name.
public struct DestinationPolicy: Sendable {
    public var allow: [CIDRBlock]
    public var deny: [CIDRBlock]
    /// Whether the network's host address reaches the host's own loopback.
    public var hostLoopback: Bool
    /// The addresses of the host, where guests are kept from all of them, whatever else is allowed; `nil` where they are not.
    public var hostAddresses: AddressRanges?
    /// Whose datagrams come in by the guest's UDP mappings.
    public var udpFiltering: UDPFiltering

    public init(
        allow: [CIDRBlock] = [], deny: [CIDRBlock] = [], hostLoopback: Bool = true,
        hostAddresses: AddressRanges? = nil, udpFiltering: UDPFiltering = .address
    ) {
        self.allow = allow
        self.deny = deny
        self.hostLoopback = hostLoopback
        self.hostAddresses = hostAddresses
        self.udpFiltering = udpFiltering
    }

    /// Whether a flow to `address`, as the host would dial it, may be opened. Asked once per flow, and for each datagram.
    public func permits(_ address: IPAddress) -> Bool {
        if let hostAddresses, hostAddresses.contains(address) { return false }
        let (allowed, denied) = (longestMatch(of: address, in: allow), longestMatch(of: address, in: deny))
        if allowed < 0 && denied < 0 { return !address.isLinkLocal }
        return allowed > denied
    }

    /// Whether `loopback` may be reached under the address by which guests know the host: either may be refused. An
    /// allowance of exactly the host's address means what it stands for, and goes before the refusal of a block that the
    /// loopback is in.
    public func permits(_ loopback: IPAddress, as host: IPAddress) -> Bool {
        guard hostLoopback, hostAddresses == nil, permits(host) else { return false }
        let whole = host.isIPv4 ? 32 : 128
        return permits(loopback)
            || longestMatch(of: host, in: allow) == whole && longestMatch(of: loopback, in: deny) < whole
    }

    /// The length of the longest prefix that matches; negative when none does.
    private func longestMatch(of address: IPAddress, in blocks: [CIDRBlock]) -> Int {
        var longest = -1
        for block in blocks where block.contains(address) { longest = max(longest, block.prefixLength) }
        return longest
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

    // MARK: What comes in by mappings

    /// Whether what `sender`, an address of the host's side, has sent to a mapping or a ping reaches the guest: it must be
    /// one that the guest may send to, and has sent to. Counted when not.
    ///
    /// - Parameters:
    ///   - key: the mapping's or the ping's.
    ///   - last: where the guest has sent to last.
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
        let shown = addressForGuest(of: sender)
        guard case .host(let reached) = destination(of: shown) else { return false }
        // The guest knows all of the loopback by one address, which leads to one of them.
        return reached == sender || policy.permits(sender, as: shown)
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
