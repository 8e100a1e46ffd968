/// A checked view of the ICMPv6 message that tells a neighbour's ethernet address (RFC 4861 §4.4).
@frozen
public struct NeighborAdvertisement: BitwiseCopyable {
    /// Octets before the options.
    @inlinable public static var length: Int { 24 }

    /// The options.
    public let options: NDPOptions
    @usableFromInline let base: UnsafeRawPointer

    /// Views a whole ICMPv6 message. Returns `nil` when it is another one, is short, has malformed options, or tells of
    /// a multicast address. The hop limit, which must be 255, is the caller's to check.
    public init?(_ message: UnsafeRawBufferPointer) {
        guard let base = message.baseAddress, message.count >= Self.length,
            base.octet(0) == ICMPv6Header.neighborAdvertisement, base.octet(1) == 0,
            !IPv6Address(loadingFrom: base + 8).isMulticast,
            let options = NDPOptions(UnsafeRawBufferPointer(rebasing: message[Self.length...]))
        else { return nil }
        self.base = base
        self.options = options
    }

    /// The sender is a router.
    @inlinable public var isRouter: Bool { base.octet(4) & 0x80 != 0 }
    /// The message answers a solicitation.
    @inlinable public var isSolicited: Bool { base.octet(4) & 0x40 != 0 }
    /// What was known before is to be forgotten.
    @inlinable public var overrides: Bool { base.octet(4) & 0x20 != 0 }
    /// The address told of.
    @inlinable public var target: IPv6Address { IPv6Address(loadingFrom: base + 8) }

    /// Where the target is.
    public var targetLinkLayerAddress: MACAddress? {
        options.linkLayerAddress(NDPOptions.targetLinkLayerAddress)
    }
}
