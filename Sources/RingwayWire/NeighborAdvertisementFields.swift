/// The meaning of a neighbour advertisement (RFC 4861 §4.4).
public struct NeighborAdvertisementFields: Equatable, Sendable {
    /// The address told of.
    public var target: IPv6Address
    /// Where the target is.
    public var targetLinkLayerAddress: MACAddress?
    /// The sender is a router.
    public var isRouter: Bool
    /// The message answers a solicitation.
    public var isSolicited: Bool
    /// What was known before is to be forgotten.
    public var overrides: Bool

    /// The fields.
    public init(
        target: IPv6Address, targetLinkLayerAddress: MACAddress?, isRouter: Bool, isSolicited: Bool, overrides: Bool
    ) {
        self.target = target
        self.targetLinkLayerAddress = targetLinkLayerAddress
        self.isRouter = isRouter
        self.isSolicited = isSolicited
        self.overrides = overrides
    }

    /// Octets of the longest message.
    public static var lengthLimit: Int { 32 }

    /// Writes the ICMPv6 message with a zero checksum and returns its length.
    public func write(to message: UnsafeMutableRawPointer) -> Int {
        let flags: UInt32 = (isRouter ? 1 << 31 : 0) | (isSolicited ? 1 << 30 : 0) | (overrides ? 1 << 29 : 0)
        ICMPv6Fields(type: ICMPv6Header.neighborAdvertisement, parameter: flags).write(to: message)
        target.store(to: message + 8)
        var options = NDPOptionWriter(message, offset: NeighborAdvertisement.length, capacity: Self.lengthLimit)
        if let targetLinkLayerAddress {
            options.appendLinkLayerAddress(NDPOptions.targetLinkLayerAddress, targetLinkLayerAddress)
        }
        return options.length
    }
}
