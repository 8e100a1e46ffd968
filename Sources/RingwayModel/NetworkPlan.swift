/// The addresses of one network: gateway, host address and guest range.
///
/// For `192.168.127.0/24` the gateway is `.1`, the host `.254` and guests use `.2` to `.253`; in the IPv6 /64 the
/// gateway is `::1`, the host `::fe`, and guests start at `::2`. A new plan is consistent: gateway, host and guests
/// are distinct, inside the network, and neither its first nor its last address.
public struct NetworkPlan: Sendable {
    /// The ethernet address of the gateway; locally administered.
    public var gatewayMAC: MACAddress
    /// The first address of the IPv4 network, its host bits zero.
    public var ipv4Network: IPv4Address
    /// The prefix length of the IPv4 network, 8 to 29. A /29 has room for the gateway, the host and four guests.
    public var ipv4PrefixLength: Int
    /// The default router, and the DNS and DHCP server.
    public var gatewayIPv4: IPv4Address
    /// The address that stands for the host's loopback.
    public var hostIPv4: IPv4Address
    /// The first address a guest may have.
    public var firstGuestIPv4: IPv4Address
    /// The last address a guest may have.
    public var lastGuestIPv4: IPv4Address
    /// The /64 prefix in router advertisements, its lower 64 bits zero.
    public var ipv6Prefix: IPv6Address
    /// The gateway's address inside the prefix.
    public var gatewayIPv6: IPv6Address
    /// The address that stands for the host's loopback.
    public var hostIPv6: IPv6Address
    /// The first address for a guest whose interface Ringway configures.
    public var firstGuestIPv6: IPv6Address
    /// `fe80::1`, the source of router advertisements and thereby the guests' default route.
    public var gatewayLinkLocal: IPv6Address
    /// The largest IP packet on the link, in bytes: `minimumMTU` to `maximumMTU`.
    public var mtu: Int
    /// Domains that guests search, advertised by DHCP option 119 and by DNSSL.
    public var searchDomains: [String] = []
    /// The guests' own domain, advertised by DHCP option 15.
    public var domainName: String?

    /// The least MTU of a link that carries IPv6 (RFC 8200 §5).
    public static var minimumMTU: Int { 1280 }
    /// The greatest MTU: an IP packet of this size and its ethernet header are shorter than 64 KiB.
    public static var maximumMTU: Int { 65_520 }
    /// `52:55:00:00:00:01`.
    public static var defaultGatewayMAC: MACAddress { MACAddress(rawValue: 0x5255_0000_0001) }

    /// Creates a plan, or returns `nil` for unusable arguments.
    ///
    /// - Parameters:
    ///   - ipv4: an IPv4 block of /8 to /29 of unicast addresses; its host bits are ignored.
    ///   - ipv6Prefix: a routable unicast prefix; only its first 64 bits are used.
    ///   - mtu: `minimumMTU` to `maximumMTU` bytes.
    public init?(ipv4: CIDRBlock, ipv6Prefix: IPv6Address, mtu: Int) {
        guard ipv4.address.isIPv4, (8...29).contains(ipv4.prefixLength) else { return nil }
        guard mtu >= Self.minimumMTU, mtu <= Self.maximumMTU else { return nil }
        let hostBits = UInt32.max >> UInt32(ipv4.prefixLength)
        let network = ipv4.address.ipv4.rawValue & ~hostBits
        // 0/8 is "this network", 127/8 the loopback, from 224 on multicast and reserved (RFC 6890).
        let firstByte = network >> 24
        guard firstByte != 0, firstByte != 127, firstByte < 224 else { return nil }

        let prefix = IPv6Address(high: ipv6Prefix.high, low: 0)
        guard prefix.high != 0, !prefix.isMulticast, !prefix.isLinkLocal else { return nil }

        gatewayMAC = Self.defaultGatewayMAC
        ipv4Network = IPv4Address(rawValue: network)
        ipv4PrefixLength = ipv4.prefixLength
        gatewayIPv4 = IPv4Address(rawValue: network + 1)
        hostIPv4 = IPv4Address(rawValue: (network | hostBits) - 1)
        firstGuestIPv4 = IPv4Address(rawValue: network + 2)
        lastGuestIPv4 = IPv4Address(rawValue: (network | hostBits) - 2)
        self.ipv6Prefix = prefix
        gatewayIPv6 = IPv6Address(high: prefix.high, low: 0x01)
        hostIPv6 = IPv6Address(high: prefix.high, low: 0xFE)
        firstGuestIPv6 = IPv6Address(high: prefix.high, low: 0x02)
        gatewayLinkLocal = IPv6Address(high: 0xFE80_0000_0000_0000, low: 0x01)
        self.mtu = mtu
    }

    /// A unique local prefix with 40 random bits of global identifier and subnet zero (RFC 4193 §3.2).
    public static func randomIPv6Prefix(using generator: inout some RandomNumberGenerator) -> IPv6Address {
        let globalIdentifier = generator.next() >> 24
        return IPv6Address(high: 0xFD << 56 | globalIdentifier << 16, low: 0)
    }
}

extension NetworkPlan {
    /// The address mask of the IPv4 network, `255.255.255.0` for a /24.
    @inlinable public var netmask: IPv4Address { IPv4Address(rawValue: ~(UInt32.max >> UInt32(ipv4PrefixLength))) }

    /// The last address of the IPv4 network, its directed broadcast.
    @inlinable public var broadcastIPv4: IPv4Address { IPv4Address(rawValue: ipv4Network.rawValue | ~netmask.rawValue) }

    /// Whether the address is in the IPv4 network, including its first and last address.
    @inlinable
    public func contains(_ address: IPv4Address) -> Bool {
        address.rawValue & netmask.rawValue == ipv4Network.rawValue
    }

    /// Whether the address is in the advertised prefix.
    @inlinable
    public func contains(_ address: IPv6Address) -> Bool { address.high == ipv6Prefix.high }

    /// Whether the address is in the network of its own family.
    @inlinable
    public func contains(_ address: IPAddress) -> Bool {
        address.isIPv4 ? contains(address.ipv4) : contains(address.ipv6)
    }

    /// Whether a guest may hold the address.
    @inlinable
    public func isGuest(_ address: IPv4Address) -> Bool {
        address.rawValue >= firstGuestIPv4.rawValue && address.rawValue <= lastGuestIPv4.rawValue
    }

    /// Whether a guest may hold the address: link-local or in the prefix, and neither the gateway's nor the host's.
    /// An interface identifier of zero is refused: it is that of the subnet-router anycast address (RFC 4291 §2.6.1).
    @inlinable
    public func isGuest(_ address: IPv6Address) -> Bool {
        guard contains(address) || address.isLinkLocal else { return false }
        return !isGateway(address) && address != hostIPv6 && address.low != 0
    }

    /// Whether a guest may hold the address.
    @inlinable
    public func isGuest(_ address: IPAddress) -> Bool {
        address.isIPv4 ? isGuest(address.ipv4) : isGuest(address.ipv6)
    }

    /// Whether the address is one of the gateway's two IPv6 addresses.
    @inlinable
    public func isGateway(_ address: IPv6Address) -> Bool {
        address == gatewayIPv6 || address == gatewayLinkLocal
    }

    /// Whether the address is one of the gateway's.
    @inlinable
    public func isGateway(_ address: IPAddress) -> Bool {
        address.isIPv4 ? address.ipv4 == gatewayIPv4 : isGateway(address.ipv6)
    }

    /// Whether the address is one of the two that stand for the host's loopback.
    @inlinable
    public func isHost(_ address: IPAddress) -> Bool {
        address.isIPv4 ? address.ipv4 == hostIPv4 : address.ipv6 == hostIPv6
    }
}
