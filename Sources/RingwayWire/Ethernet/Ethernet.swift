public import RingwayModel

/// A checked view of an ethernet frame (IEEE 802.3, without a VLAN tag).
@frozen
public struct EthernetHeader: BitwiseCopyable {
    /// Bytes in the header.
    @inlinable public static var length: Int { 14 }

    @usableFromInline let bytes: UnsafeRawBufferPointer
    @usableFromInline let base: UnsafeRawPointer

    /// `nil` if there are fewer than fourteen bytes.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.length else { return nil }
        self.bytes = bytes
        self.base = base
    }

    /// The destination's ethernet address.
    @inlinable public var destination: MACAddress { MACAddress(loadingFrom: base) }
    /// The source's ethernet address.
    @inlinable public var source: MACAddress { MACAddress(loadingFrom: base + 6) }
    /// One of `EtherType`, or another type.
    @inlinable public var etherType: UInt16 { base.word16(12) }
    /// The payload, including padding.
    @inlinable public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.length, count: bytes.count &- Self.length)
    }
}

/// The fields of an ethernet header.
@frozen
public struct EthernetFields: Equatable, Sendable, BitwiseCopyable {
    /// The destination's ethernet address.
    public var destination: MACAddress
    /// The source's ethernet address.
    public var source: MACAddress
    /// One of `EtherType`.
    public var etherType: UInt16

    /// A header with these three fields.
    @inlinable
    public init(destination: MACAddress, source: MACAddress, etherType: UInt16) {
        self.destination = destination
        self.source = source
        self.etherType = etherType
    }

    /// Writes fourteen bytes.
    @inlinable @inline(__always)
    public func write(to target: UnsafeMutableRawPointer) {
        destination.store(to: target)
        source.store(to: target + 6)
        target.store16(etherType, 12)
    }
}

/// Ethernet payload types (IEEE 802 numbers).
public enum EtherType {
    /// IPv4 (RFC 894).
    @inlinable public static var ipv4: UInt16 { 0x0800 }
    /// ARP (RFC 826).
    @inlinable public static var arp: UInt16 { 0x0806 }
    /// IPv6 (RFC 2464).
    @inlinable public static var ipv6: UInt16 { 0x86DD }
}
