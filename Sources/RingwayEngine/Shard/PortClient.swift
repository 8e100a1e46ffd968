internal import RingwayModel

/// A client of a published port that has been accepted. Its descriptor is counted, and belongs to the holder of the value.
struct PortClient: BitwiseCopyable, Sendable {
    var descriptor: Int32
    /// The client's own address.
    var address: TransportAddress
    /// The guest's address and port that the client is connected to.
    var guest: TransportAddress

    /// Stands for no client.
    static var none: PortClient {
        let nowhere = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
        return PortClient(descriptor: -1, address: nowhere, guest: nowhere)
    }
}
