public import RingwayModel

/// A checked view of an ARP packet for IPv4 over ethernet (RFC 826).
@frozen
public struct ARPPacket: BitwiseCopyable {
    /// Bytes in the packet.
    @inlinable public static var length: Int { 28 }
    /// Operation: who has `targetIP`?
    @inlinable public static var request: UInt16 { 1 }
    /// Operation: `senderIP` is at `senderMAC`.
    @inlinable public static var reply: UInt16 { 2 }

    @usableFromInline let base: UnsafeRawPointer

    /// Returns `nil` if the packet is short or not for IPv4 over ethernet. Any operation is accepted.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.length, base.word64(0) >> 16 == Self.families else {
            return nil
        }
        self.base = base
    }

    /// `request`, `reply`, or another operation.
    @inlinable public var operation: UInt16 { base.word16(6) }
    /// The sender's ethernet address.
    @inlinable public var senderMAC: MACAddress { MACAddress(loadingFrom: base + 8) }
    /// The sender's address, which is unspecified in a probe (RFC 5227 §2.1.1).
    @inlinable public var senderIP: IPv4Address { IPv4Address(loadingFrom: base + 14) }
    /// The target's ethernet address, which has no meaning in a request.
    @inlinable public var targetMAC: MACAddress { MACAddress(loadingFrom: base + 18) }
    /// The target's address.
    @inlinable public var targetIP: IPv4Address { IPv4Address(loadingFrom: base + 24) }

    /// Hardware type ethernet, protocol IPv4, and the lengths of both addresses.
    @inlinable static var families: UInt64 { 0x0001_0800_0604 }
}

/// The fields of an ARP packet.
@frozen
public struct ARPFields: Equatable, Sendable, BitwiseCopyable {
    /// `ARPPacket.request` or `ARPPacket.reply`.
    public var operation: UInt16
    /// The sender's ethernet address.
    public var senderMAC: MACAddress
    /// The sender's address.
    public var senderIP: IPv4Address
    /// The target's ethernet address; zero in a request.
    public var targetMAC: MACAddress
    /// The target's address.
    public var targetIP: IPv4Address

    /// An ARP packet with these five fields.
    @inlinable
    public init(
        operation: UInt16, senderMAC: MACAddress, senderIP: IPv4Address, targetMAC: MACAddress, targetIP: IPv4Address
    ) {
        self.operation = operation
        self.senderMAC = senderMAC
        self.senderIP = senderIP
        self.targetMAC = targetMAC
        self.targetIP = targetIP
    }

    /// Writes 28 bytes.
    @inlinable
    public func write(to target: UnsafeMutableRawPointer) {
        target.store64(ARPPacket.families << 16 | UInt64(operation), 0)
        senderMAC.store(to: target + 8)
        senderIP.store(to: target + 14)
        targetMAC.store(to: target + 18)
        targetIP.store(to: target + 24)
    }
}
