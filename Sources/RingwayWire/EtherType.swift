/// Ethernet payload types (IEEE 802 numbers).
public enum EtherType {
    /// IPv4 (RFC 894).
    @inlinable public static var ipv4: UInt16 { 0x0800 }
    /// ARP (RFC 826).
    @inlinable public static var arp: UInt16 { 0x0806 }
    /// IPv6 (RFC 2464).
    @inlinable public static var ipv6: UInt16 { 0x86DD }
}
