/// Which destinations a guest may reach, and which hosts may send to it. The longest matching prefix of `allow` and
/// `deny` decides; if both have a match of that length, `deny` wins.
///
/// Without a match a destination is allowed, except link-local addresses (169.254.0.0/16, fe80::/10). These need an
/// explicit allow rule, because cloud metadata services use them.
public struct DestinationPolicy: Sendable {
    public var allow: [CIDRBlock]
    public var deny: [CIDRBlock]
    /// Whether guests reach the host's loopback at the network's host address (`NetworkPlan.hostIPv4`, `hostIPv6`).
    public var hostLoopback: Bool
    /// Addresses of the host, which guests may not reach even if `allow` contains them. If set, `hostLoopback` has no
    /// effect. `nil` if only the other rules apply.
    public var hostAddresses: AddressRanges?
    /// From which senders a UDP mapping passes datagrams on to the guest.
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

    /// Whether guests may reach `address`, to which the host's socket would connect or send. Called once for each TCP
    /// connection, and for each datagram and echo request.
    @inlinable
    public func permits(_ address: IPAddress) -> Bool {
        if let hostAddresses, hostAddresses.contains(address) { return false }
        let (allowed, denied) = (longestMatch(of: address, in: allow), longestMatch(of: address, in: deny))
        if allowed < 0 && denied < 0 { return !address.isLinkLocal }
        return allowed > denied
    }

    /// Whether guests may reach no address at all.
    public var deniesAll: Bool {
        allow.isEmpty
            && [true, false].allSatisfy { family in
                deny.contains { $0.prefixLength == 0 && $0.address.isIPv4 == family }
            }
    }

    /// Whether the guest may reach `loopback` through `host`, the address that stands for the host's loopback. A rule
    /// may name either address. An allow rule for exactly the host address wins over a deny rule for a block that
    /// contains the loopback address, but not over one for exactly the loopback address.
    @inlinable
    public func permits(_ loopback: IPAddress, as host: IPAddress) -> Bool {
        guard hostLoopback, hostAddresses == nil, permits(host) else { return false }
        let whole = host.isIPv4 ? 32 : 128
        return permits(loopback)
            || longestMatch(of: host, in: allow) == whole && longestMatch(of: loopback, in: deny) < whole
    }

    /// The length of the longest matching prefix; negative without a match.
    @inlinable
    func longestMatch(of address: IPAddress, in blocks: [CIDRBlock]) -> Int {
        var longest = -1
        for block in blocks where block.contains(address) { longest = max(longest, block.prefixLength) }
        return longest
    }
}
