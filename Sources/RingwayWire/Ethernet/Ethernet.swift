/// A checked view of an ethernet frame (IEEE 802.3, without a VLAN tag).
@frozen
public struct EthernetHeader: BitwiseCopyable {
    /// Octets in the header.
    @inlinable public static var length: Int { 14 }

    @usableFromInline let bytes: UnsafeRawBufferPointer
    @usableFromInline let base: UnsafeRawPointer

    /// Returns `nil` when there are fewer than fourteen octets.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.length else { return nil }
        self.bytes = bytes
        self.base = base
    }

    /// To whom the frame goes.
    @inlinable public var destination: MACAddress { MACAddress(loadingFrom: base) }
    /// Who sent it.
    @inlinable public var source: MACAddress { MACAddress(loadingFrom: base + 6) }
    /// One of `EtherType`, or something else.
    @inlinable public var etherType: UInt16 { base.word16(12) }
    /// What follows the header, padding included.
    @inlinable public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.length, count: bytes.count &- Self.length)
    }
}

/// The meaning of an ethernet header.
@frozen
public struct EthernetFields: Equatable, Sendable, BitwiseCopyable {
    /// To whom the frame goes.
    public var destination: MACAddress
    /// Who sends it.
    public var source: MACAddress
    /// One of `EtherType`.
    public var etherType: UInt16

    /// The three fields.
    @inlinable
    public init(destination: MACAddress, source: MACAddress, etherType: UInt16) {
        self.destination = destination
        self.source = source
        self.etherType = etherType
    }

    /// Writes fourteen octets.
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
