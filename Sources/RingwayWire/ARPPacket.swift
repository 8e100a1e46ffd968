/// A checked view of an ARP packet for IPv4 over ethernet (RFC 826), the only kind there is here.
@frozen
public struct ARPPacket: BitwiseCopyable {
    /// Octets in the packet.
    @inlinable public static var length: Int { 28 }
    /// Operation: who has `targetIP`?
    @inlinable public static var request: UInt16 { 1 }
    /// Operation: `senderIP` is at `senderMAC`.
    @inlinable public static var reply: UInt16 { 2 }

    @usableFromInline let base: UnsafeRawPointer

    /// Returns `nil` when the packet is short or of other address families. Any operation is let through.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.length, base.word64(0) >> 16 == Self.families else {
            return nil
        }
        self.base = base
    }

    /// `request` or `reply`, or something else.
    @inlinable public var operation: UInt16 { base.word16(6) }
    /// The sender's ethernet address.
    @inlinable public var senderMAC: MACAddress { MACAddress(loadingFrom: base + 8) }
    /// The sender's address; unspecified in a probe (RFC 5227 §2.1.1).
    @inlinable public var senderIP: IPv4Address { IPv4Address(loadingFrom: base + 14) }
    /// The ethernet address asked for, without meaning in a request.
    @inlinable public var targetMAC: MACAddress { MACAddress(loadingFrom: base + 18) }
    /// The address asked for.
    @inlinable public var targetIP: IPv4Address { IPv4Address(loadingFrom: base + 24) }

    /// Hardware type ethernet, protocol IPv4, and the lengths of both addresses.
    @inlinable static var families: UInt64 { 0x0001_0800_0604 }
}
