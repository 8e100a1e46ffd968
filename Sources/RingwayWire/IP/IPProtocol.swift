/// IP protocol numbers, which are also IPv6 next-header values.
public enum IPProtocol {
    /// IPv6 hop-by-hop options (RFC 8200 §4.3).
    @inlinable public static var hopByHopOptions: UInt8 { 0 }
    /// ICMP (RFC 792).
    @inlinable public static var icmp: UInt8 { 1 }
    /// IGMP (RFC 3376).
    @inlinable public static var igmp: UInt8 { 2 }
    /// TCP (RFC 9293).
    @inlinable public static var tcp: UInt8 { 6 }
    /// UDP (RFC 768).
    @inlinable public static var udp: UInt8 { 17 }
    /// IPv6 routing header (RFC 8200 §4.4).
    @inlinable public static var routing: UInt8 { 43 }
    /// IPv6 fragment header (RFC 8200 §4.5).
    @inlinable public static var fragment: UInt8 { 44 }
    /// ICMPv6 (RFC 4443).
    @inlinable public static var icmpv6: UInt8 { 58 }
    /// No next header (RFC 8200 §4.7).
    @inlinable public static var none: UInt8 { 59 }
    /// IPv6 destination options (RFC 8200 §4.6).
    @inlinable public static var destinationOptions: UInt8 { 60 }
}
