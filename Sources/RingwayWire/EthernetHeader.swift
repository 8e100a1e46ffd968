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
