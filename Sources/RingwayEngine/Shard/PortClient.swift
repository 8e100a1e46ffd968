internal import RingwayModel

/// An accepted client of a published port. The holder of this value owns the descriptor, which is counted in the
/// guest's share of descriptors.
struct PortClient: BitwiseCopyable, Sendable {
    var descriptor: Int32
    /// The client's own address and port.
    var address: TransportAddress
    /// The address and port in the guest to which the client is connected.
    var guest: TransportAddress

    /// The value for "no client".
    static var none: PortClient {
        let nowhere = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
        return PortClient(descriptor: -1, address: nowhere, guest: nowhere)
    }
}
