/// A range of addresses that share a prefix, such as `10.0.0.0/8` (RFC 4632).
///
/// The address keeps its host bits, so that `192.168.127.1/24` can name both an interface and its network.
public struct CIDRBlock: Hashable, Sendable {
    /// The address as it was written.
    public let address: IPAddress

    /// The prefix length in bits: 0 to 32 for IPv4, 0 to 128 for IPv6.
    public let prefixLength: Int

    private let highMask: UInt64
    private let lowMask: UInt64

    /// A block from an address and a length; `nil` if the address's family has no such prefix length.
    public init?(address: IPAddress, prefixLength: Int) {
        guard prefixLength >= 0, prefixLength <= (address.isIPv4 ? 32 : 128) else { return nil }
        self.address = address
        self.prefixLength = prefixLength
        // A shift by 64 or more gives zero.
        let bits = address.isIPv4 ? prefixLength + 96 : prefixLength
        highMask = ~(UInt64.max >> min(bits, 64))
        lowMask = ~(UInt64.max >> max(bits - 64, 0))
    }

    /// Whether `other` is of the same family and shares the prefix.
    public func contains(_ other: IPAddress) -> Bool {
        (address.high ^ other.high) & highMask | (address.low ^ other.low) & lowMask == 0
            && address.isIPv4 == other.isIPv4
    }

    /// The first address of the block: the prefix, followed by zeros.
    public var networkAddress: IPAddress {
        IPAddress(high: address.high & highMask, low: address.low & lowMask)
    }

    /// The last address of the block: the prefix, followed by ones.
    public var lastAddress: IPAddress {
        IPAddress(high: address.high | ~highMask, low: address.low | ~lowMask)
    }
}

extension CIDRBlock: CustomStringConvertible, LosslessStringConvertible {
    /// Accepts `10.0.0.0/8`, `fd00::/8`, and a bare address as the block of that address alone.
    public init?(_ text: String) {
        guard let slash = text.utf8.firstIndex(of: UInt8(ascii: "/")) else {
            guard let address = IPAddress(text) else { return nil }
            self.init(address: address, prefixLength: address.isIPv4 ? 32 : 128)
            return
        }
        guard let address = IPAddress(String(text[..<slash])),
            let length = ASCII.decimal(text.utf8[text.utf8.index(after: slash)...], limit: 128)
        else { return nil }
        self.init(address: address, prefixLength: length)
    }

    /// The address and the prefix length.
    public var description: String { "\(address)/\(prefixLength)" }
}
