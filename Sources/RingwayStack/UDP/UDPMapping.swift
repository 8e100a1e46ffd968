public import RingwayWire

/// What one of the guest's UDP ports is on the host: one unconnected socket, whoever the guest speaks to from it
/// (endpoint-independent mapping and filtering, RFC 4787), or a client of a published port, whose datagrams came
/// through the listener and whose answers leave through it.
@frozen
public struct UDPMapping: BitwiseCopyable {
    public var key: FlowKey
    public var links = AgeLinks()
    /// Monotonic nanoseconds of the last datagram in either direction.
    public var usedAt: UInt64
    /// Both sides have spoken.
    public var isTwoWay = false
    /// The guest has only spoken to port 53.
    public var isNameQuery: Bool
    /// A client of a published port rather than a socket of its own.
    public var isForwarded = false
    /// The owner's name for the listener, of a forwarded mapping.
    public var listener: UInt32 = .max
    /// The client as the host knows it, of a forwarded mapping.
    public var client: TransportAddress
    /// The host's address that the client spoke to, of a forwarded mapping; answers come from it.
    public var local: IPAddress

    init(key: FlowKey, now: UInt64, isNameQuery: Bool) {
        self.key = key
        usedAt = now
        self.isNameQuery = isNameQuery
        client = TransportAddress(address: key.remote, port: key.remotePort)
        local = key.remote
    }

    /// Nanoseconds of silence after which the mapping ends (RFC 4787 §4.3 asks for two minutes where both speak).
    var patience: UInt64 {
        if isTwoWay && !isNameQuery { return 180_000_000_000 }
        return isNameQuery ? 5_000_000_000 : 30_000_000_000
    }
}
