public import RingwayModel

/// A binding of an IP address to an ethernet address, as a guest announced it.
@frozen
public struct NeighborBinding: Equatable, Sendable, BitwiseCopyable {
    /// The guest's IP address.
    public let address: IPAddress
    /// The ethernet address for frames to `address`.
    public let mac: MACAddress

    /// A binding of the two addresses.
    @inlinable public init(address: IPAddress, mac: MACAddress) {
        self.address = address
        self.mac = mac
    }
}
