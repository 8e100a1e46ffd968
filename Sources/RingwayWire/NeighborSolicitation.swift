/// A checked view of the ICMPv6 message that asks for a neighbour's ethernet address (RFC 4861 §4.3).
@frozen
public struct NeighborSolicitation: BitwiseCopyable {
    /// Octets before the options.
    @inlinable public static var length: Int { 24 }

    /// The options.
    public let options: NDPOptions
    @usableFromInline let base: UnsafeRawPointer

    /// Views a whole ICMPv6 message. Returns `nil` when it is another one, is short, has malformed options, or asks for
    /// a multicast address. The hop limit, which must be 255, is the caller's to check.
    public init?(_ message: UnsafeRawBufferPointer) {
        guard let base = message.baseAddress, message.count >= Self.length,
            base.octet(0) == ICMPv6Header.neighborSolicitation, base.octet(1) == 0,
            !IPv6Address(loadingFrom: base + 8).isMulticast,
            let options = NDPOptions(UnsafeRawBufferPointer(rebasing: message[Self.length...]))
        else { return nil }
        self.base = base
        self.options = options
    }

    /// The address asked for.
    @inlinable public var target: IPv6Address { IPv6Address(loadingFrom: base + 8) }

    /// Who asks; absent when the sender only checks that nobody has the address (RFC 4862 §5.4).
    public var sourceLinkLayerAddress: MACAddress? {
        options.linkLayerAddress(NDPOptions.sourceLinkLayerAddress)
    }
}
