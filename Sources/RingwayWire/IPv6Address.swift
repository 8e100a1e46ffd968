/// An IPv6 address as two integers in host order.
@frozen
public struct IPv6Address: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The first eight octets: routing prefix and subnet.
    public var high: UInt64

    /// The last eight octets: the interface identifier.
    public var low: UInt64

    /// An address from its halves in host order.
    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Reads sixteen octets, at any alignment.
    @inlinable
    public init(loadingFrom bytes: UnsafeRawPointer) {
        high = bytes.word64(0)
        low = bytes.word64(8)
    }

    /// The first 64 bits of `prefix` and the modified EUI-64 of `mac` (RFC 4291 appendix A).
    @inlinable
    public init(prefix: IPv6Address, interfaceIdentifierFrom mac: MACAddress) {
        high = prefix.high
        low = (mac.rawValue >> 24) << 40 | 0xFFFE << 24 | mac.rawValue & 0xFF_FFFF
        low ^= 0x0200_0000_0000_0000
    }

    /// The ethernet address that the interface identifier is made of; `nil` where it does not look made of one.
    @inlinable public var embeddedMAC: MACAddress? {
        guard (low >> 24) & 0xFFFF == 0xFFFE else { return nil }
        let identifier = low ^ 0x0200_0000_0000_0000
        return MACAddress(rawValue: (identifier >> 40) << 24 | identifier & 0xFF_FFFF)
    }

    /// Writes sixteen octets, at any alignment.
    @inlinable
    public func store(to bytes: UnsafeMutableRawPointer) {
        bytes.store64(high, 0)
        bytes.store64(low, 8)
    }

    /// Numerical order.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.high == rhs.high ? lhs.low < rhs.low : lhs.high < rhs.high
    }

    /// `::`.
    @inlinable public static var unspecified: Self { Self(high: 0, low: 0) }

    /// `::1`.
    @inlinable public static var loopback: Self { Self(high: 0, low: 1) }

    /// `ff02::1`: every node on the link.
    @inlinable public static var allNodes: Self { Self(high: 0xFF02 << 48, low: 1) }

    /// `ff02::2`: every router on the link.
    @inlinable public static var allRouters: Self { Self(high: 0xFF02 << 48, low: 2) }

    /// The link-local address that an interface with this ethernet address gives itself.
    @inlinable
    public static func linkLocal(mac: MACAddress) -> Self {
        Self(prefix: Self(high: 0xFE80 << 48, low: 0), interfaceIdentifierFrom: mac)
    }

    /// The group in which neighbours look for this address: `ff02::1:ff00:0/104` and its last 24 bits (RFC 4291
    /// §2.7.1).
    @inlinable public var solicitedNodeMulticast: Self {
        Self(high: 0xFF02 << 48, low: 0x0000_0001_FF00_0000 | low & 0xFF_FFFF)
    }

    /// In `ff00::/8`.
    @inlinable public var isMulticast: Bool { high >> 56 == 0xFF }

    /// `::1`.
    @inlinable public var isLoopback: Bool { high == 0 && low == 1 }

    /// In `fe80::/10`.
    @inlinable public var isLinkLocal: Bool { high >> 54 == 0x3FA }

    /// `::`.
    @inlinable public var isUnspecified: Bool { high | low == 0 }

    /// In `::ffff:0:0/96`. Such an address never belongs on a wire (RFC 4942 §2.2).
    @inlinable public var isIPv4Mapped: Bool { high == 0 && low >> 32 == 0xFFFF }
}
