/// An address of either family. IPv4 is stored IPv4-mapped (`::ffff:a.b.c.d`), so that one table, one hash and one
/// comparison serve both.
///
/// An IPv4-mapped IPv6 address therefore equals the IPv4 address. The stack meets no such IPv6 address, because the
/// parser refuses frames that have one as source or destination.
@frozen
public struct IPAddress: Hashable, Sendable, BitwiseCopyable {
    /// The first eight bytes of the IPv6 form, in host order.
    public var high: UInt64

    /// The last eight bytes of the IPv6 form, in host order.
    public var low: UInt64

    /// An address from the halves of its IPv6 form.
    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// An IPv4 address, stored mapped.
    @inlinable
    public init(_ address: IPv4Address) {
        high = 0
        low = 0xFFFF_0000_0000 | UInt64(address.rawValue)
    }

    /// An IPv6 address, unchanged.
    @inlinable
    public init(_ address: IPv6Address) {
        high = address.high
        low = address.low
    }

    /// Whether this is an IPv4 address.
    @inlinable public var isIPv4: Bool { high == 0 && low >> 32 == 0xFFFF }

    /// The IPv4 address; valid only if `isIPv4`.
    @inlinable public var ipv4: IPv4Address { IPv4Address(rawValue: UInt32(truncatingIfNeeded: low)) }

    /// The IPv6 form; IPv4-mapped for an IPv4 address.
    @inlinable public var ipv6: IPv6Address { IPv6Address(high: high, low: low) }

    /// `127.0.0.0/8` or `::1`.
    @inlinable public var isLoopback: Bool { isIPv4 ? ipv4.isLoopback : ipv6.isLoopback }

    /// `224.0.0.0/4` or `ff00::/8`.
    @inlinable public var isMulticast: Bool { isIPv4 ? ipv4.isMulticast : ipv6.isMulticast }

    /// `169.254.0.0/16` or `fe80::/10`.
    @inlinable public var isLinkLocal: Bool { isIPv4 ? ipv4.isLinkLocal : ipv6.isLinkLocal }

    /// `0.0.0.0` or `::`.
    @inlinable public var isUnspecified: Bool { isIPv4 ? ipv4.isUnspecified : ipv6.isUnspecified }
}

extension IPAddress: CustomStringConvertible, LosslessStringConvertible {
    /// Accepts a dotted quad or any text form of an IPv6 address.
    public init?(_ text: String) {
        if let address = IPv4Address(text) {
            self.init(address)
        } else if let address = IPv6Address(text) {
            self.init(address)
        } else {
            return nil
        }
    }

    /// Dotted decimal for IPv4, RFC 5952 for IPv6.
    public var description: String { isIPv4 ? ipv4.description : ipv6.description }
}
