/// The meaning of a neighbour solicitation (RFC 4861 §4.3).
public struct NeighborSolicitationFields: Equatable, Sendable {
    /// The address asked for.
    public var target: IPv6Address
    /// Who asks; `nil` when the sender has no address yet.
    public var sourceLinkLayerAddress: MACAddress?

    /// The fields.
    public init(target: IPv6Address, sourceLinkLayerAddress: MACAddress?) {
        self.target = target
        self.sourceLinkLayerAddress = sourceLinkLayerAddress
    }

    /// Octets of the longest message.
    public static var lengthLimit: Int { 32 }

    /// Writes the ICMPv6 message with a zero checksum and returns its length.
    public func write(to message: UnsafeMutableRawPointer) -> Int {
        ICMPv6Fields(type: ICMPv6Header.neighborSolicitation).write(to: message)
        target.store(to: message + 8)
        var options = NDPOptionWriter(message, offset: NeighborSolicitation.length, capacity: Self.lengthLimit)
        if let sourceLinkLayerAddress {
            options.appendLinkLayerAddress(NDPOptions.sourceLinkLayerAddress, sourceLinkLayerAddress)
        }
        return options.length
    }
}
