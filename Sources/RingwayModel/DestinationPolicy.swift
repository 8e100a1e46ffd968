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
    @inlinable
    public func permits(_ address: IPAddress) -> Bool {
        if let hostAddresses, hostAddresses.contains(address) { return false }
        let (allowed, denied) = (longestMatch(of: address, in: allow), longestMatch(of: address, in: deny))
        if allowed < 0 && denied < 0 { return !address.isLinkLocal }
        return allowed > denied
    }

    /// Whether `loopback` may be reached under the address by which guests know the host: either may be refused. An
    /// allowance of exactly the host's address means what it stands for, and goes before the refusal of a block that the
    /// loopback is in.
    @inlinable
    public func permits(_ loopback: IPAddress, as host: IPAddress) -> Bool {
        guard hostLoopback, hostAddresses == nil, permits(host) else { return false }
        let whole = host.isIPv4 ? 32 : 128
        return permits(loopback)
            || longestMatch(of: host, in: allow) == whole && longestMatch(of: loopback, in: deny) < whole
    }

    /// The length of the longest prefix that matches; negative when none does.
    @inlinable
    func longestMatch(of address: IPAddress, in blocks: [CIDRBlock]) -> Int {
        var longest = -1
        for block in blocks where block.contains(address) { longest = max(longest, block.prefixLength) }
        return longest
    }
}
