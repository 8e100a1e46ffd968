public import RingwayModel

/// The zones for which the DNS service is authoritative: nonexistent names in them get NXDOMAIN, without a query to a
/// nameserver.
public struct OwnNetwork: Sendable, Hashable {
    /// The domain of the guests, such as `ringway.internal`; `nil` for none.
    public var domain: String?
    /// The guests' networks of both families. Reverse lookups of their addresses are answered here. An IPv6 address in
    /// one of them is only returned to clients that can reach the guests' network by IPv6.
    public var blocks: [CIDRBlock]

    /// The domain and the blocks.
    public init(domain: String? = nil, blocks: [CIDRBlock] = []) {
        self.domain = domain
        self.blocks = blocks
    }

    func contains(_ address: IPv6Address) -> Bool { blocks.contains { $0.contains(IPAddress(address)) } }

    /// The apexes of the blocks' reverse zones, in wire format (RFC 1035 §3.5, RFC 3596 §2.5). A block whose prefix
    /// ends within a byte (IPv4) or a nibble (IPv6) has a zone for each value of the remaining bits: 128 at most.
    var reverseZones: [[UInt8]] { blocks.flatMap(Self.reverseZones) }

    private static func reverseZones(of block: CIDRBlock) -> [[UInt8]] {
        let ipv4 = block.address.isIPv4
        let (bits, step, labels) = ipv4 ? (32, 8, 4) : (128, 4, 32)
        let prefix = min(max(block.prefixLength, 1), bits)
        let kept = (prefix + step - 1) / step
        let values = 1 << (kept * step - prefix)
        return (0..<values).compactMap { value in
            var name: [UInt8]
            if ipv4 {
                let address = block.address.ipv4.rawValue | UInt32(value) << UInt32(32 - kept * 8)
                name = WireName.reverse(IPv4Address(rawValue: address))
            } else {
                var (high, low) = (block.address.ipv6.high, block.address.ipv6.low)
                let shift = UInt64(128 - kept * 4)
                if shift >= 64 { high |= UInt64(value) << (shift - 64) } else { low |= UInt64(value) << shift }
                name = WireName.reverse(IPv6Address(high: high, low: low))
            }
            for _ in 0..<labels - kept {
                guard let parent = WireName.parent(of: name) else { return nil }
                name = parent
            }
            return name
        }
    }
}
