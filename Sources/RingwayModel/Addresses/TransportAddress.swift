/// An address and a port: one end of a TCP or UDP flow.
@frozen
public struct TransportAddress: Hashable, Sendable, BitwiseCopyable {
    /// The network address.
    public var address: IPAddress

    /// The port, in host order.
    public var port: UInt16

    /// One end of a flow.
    @inlinable
    public init(address: IPAddress, port: UInt16) {
        self.address = address
        self.port = port
    }
}

extension TransportAddress: CustomStringConvertible, LosslessStringConvertible {
    /// Accepts `1.2.3.4:80` and `[::1]:80`.
    public init?(_ text: String) {
        guard let colon = text.utf8.lastIndex(of: UInt8(ascii: ":")),
            let port = ASCII.decimal(text.utf8[text.utf8.index(after: colon)...], limit: 65535)
        else { return nil }
        let host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            guard let address = IPv6Address(String(host.dropFirst().dropLast())) else { return nil }
            self.init(address: IPAddress(address), port: UInt16(port))
        } else {
            guard let address = IPv4Address(String(host)) else { return nil }
            self.init(address: IPAddress(address), port: UInt16(port))
        }
    }

    /// `1.2.3.4:80` or `[::1]:80`.
    public var description: String {
        address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }
}
