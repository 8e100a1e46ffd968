/// A checked view of the ICMPv6 message that asks routers to present themselves (RFC 4861 §4.1).
@frozen
public struct RouterSolicitation: BitwiseCopyable {
    /// Octets before the options.
    @inlinable public static var length: Int { 8 }

    /// The options.
    public let options: NDPOptions

    /// Views a whole ICMPv6 message. Returns `nil` when it is another one, is short or has malformed options. The hop
    /// limit, which must be 255, is the caller's to check.
    public init?(_ message: UnsafeRawBufferPointer) {
        guard message.count >= Self.length, message[0] == ICMPv6Header.routerSolicitation, message[1] == 0,
            let options = NDPOptions(UnsafeRawBufferPointer(rebasing: message[Self.length...]))
        else { return nil }
        self.options = options
    }

    /// Who asks; absent when the sender has no address yet.
    public var sourceLinkLayerAddress: MACAddress? {
        options.linkLayerAddress(NDPOptions.sourceLinkLayerAddress)
    }
}
