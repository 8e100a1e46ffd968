public import RingwayModel

/// What a guest says of itself: this address is at this ethernet address.
@frozen
public struct NeighborBinding: Equatable, Sendable, BitwiseCopyable {
    /// The guest's address.
    public let address: IPAddress
    /// Where frames to it go.
    public let mac: MACAddress

    /// The pair.
    @inlinable public init(address: IPAddress, mac: MACAddress) {
        self.address = address
        self.mac = mac
    }
}
