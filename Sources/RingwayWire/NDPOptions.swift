/// The options of a neighbour discovery message (RFC 4861 §4.6), walked in place.
@frozen
public struct NDPOptions: BitwiseCopyable {
    /// Code: the sender's ethernet address.
    @inlinable public static var sourceLinkLayerAddress: UInt8 { 1 }
    /// Code: the target's ethernet address.
    @inlinable public static var targetLinkLayerAddress: UInt8 { 2 }
    /// Code: a prefix that is on the link.
    @inlinable public static var prefixInformation: UInt8 { 3 }
    /// Code: the link's MTU.
    @inlinable public static var mtu: UInt8 { 5 }
    /// Code: name servers (RFC 8106 §5.1).
    @inlinable public static var recursiveDNSServer: UInt8 { 25 }
    /// Code: domains to look names up in (RFC 8106 §5.2).
    @inlinable public static var domainSearchList: UInt8 { 31 }

    @usableFromInline let bytes: UnsafeRawBufferPointer

    /// Returns `nil` when an option has no length or runs past the message, for which RFC 4861 demands silence.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        var offset = 0
        while offset < bytes.count {
            guard bytes.count - offset >= 8, bytes[offset + 1] > 0, Int(bytes[offset + 1]) * 8 <= bytes.count - offset
            else { return nil }
            offset += Int(bytes[offset + 1]) * 8
        }
        self.bytes = bytes
    }

    /// The first option with this code, its code and length octets included.
    public func option(_ code: UInt8) -> UnsafeRawBufferPointer? {
        var offset = 0
        while offset < bytes.count {
            let length = Int(bytes[offset + 1]) * 8
            if bytes[offset] == code { return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]) }
            offset += length
        }
        return nil
    }

    /// The ethernet address in the first option with this code.
    public func linkLayerAddress(_ code: UInt8) -> MACAddress? {
        guard let option = option(code), option.count == 8, let base = option.baseAddress else { return nil }
        return MACAddress(loadingFrom: base + 2)
    }
}
