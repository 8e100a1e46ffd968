public import RingwayModel

// The IPv6 addresses of neighbour discovery, and the ethernet addresses of multicast groups.

extension IPv6Address {
    /// `ff02::1`: every node on the link.
    @inlinable public static var allNodes: Self { Self(high: 0xFF02 << 48, low: 1) }

    /// `ff02::2`: every router on the link.
    @inlinable public static var allRouters: Self { Self(high: 0xFF02 << 48, low: 2) }

    /// The link-local address whose interface identifier is the modified EUI-64 of `mac` (RFC 4291 appendix A).
    @inlinable
    public static func linkLocal(mac: MACAddress) -> Self {
        Self(prefix: Self(high: 0xFE80 << 48, low: 0), interfaceIdentifierFrom: mac)
    }

    /// The solicited-node multicast group: `ff02::1:ff00:0/104`, then the address's last 24 bits (RFC 4291 §2.7.1).
    @inlinable public var solicitedNodeMulticast: Self {
        Self(high: 0xFF02 << 48, low: 0x0000_0001_FF00_0000 | low & 0xFF_FFFF)
    }
}

extension MACAddress {
    /// The ethernet address of an IPv4 multicast group (RFC 1112 §6.4).
    @inlinable
    public static func multicast(_ group: IPv4Address) -> Self {
        Self(rawValue: 0x0100_5E00_0000 | UInt64(group.rawValue & 0x7F_FFFF))
    }

    /// The ethernet address of an IPv6 multicast group (RFC 2464 §7).
    @inlinable
    public static func multicast(_ group: IPv6Address) -> Self {
        Self(rawValue: 0x3333_0000_0000 | group.low & 0xFFFF_FFFF)
    }
}
