public import RingwayModel

/// The agent's request to forward a port of the host to a server in the guest, until the control channel closes or
/// the agent withdraws the request.
///
///      0               4    5    6       8                24      26
///     +---------------+----+----+-------+----------------+-------+----------------+
///     | number        |what| 0  | port  | host's address | port  | guest's address|
///     +---------------+----+----+-------+----------------+-------+----------------+
///
/// The agent chooses the number, and the reply repeats it. "What" is 1 for TCP and 2 for UDP. If the host's port is
/// zero, the host chooses one.
public struct PublishRequest: Hashable, Sendable {
    public var number: UInt32
    public var transport: AgentTransport
    /// The address on which the host listens. The unspecified address means all addresses of its family.
    public var host: TransportAddress
    /// The server's address, as seen by the agent.
    public var guest: TransportAddress

    /// A request for a port.
    public init(number: UInt32, transport: AgentTransport, host: TransportAddress, guest: TransportAddress) {
        self.number = number
        self.transport = transport
        self.host = host
        self.guest = guest
    }

    func write(_ writer: inout ByteWriter) {
        writer.append(number)
        writer.append(transport.rawValue)
        writer.append(UInt8(0))
        writer.append(host.port)
        writer.append(host.address)
        writer.append(guest.port)
        writer.append(guest.address)
    }

    init(_ reader: inout ByteReader) throws(AgentProtocolFailure) {
        number = try reader.integer()
        transport = try AgentTransport(&reader)
        try reader.zero(1)
        let hostPort: UInt16 = try reader.integer()
        host = TransportAddress(address: try reader.address(), port: hostPort)
        let guestPort: UInt16 = try reader.integer()
        guest = TransportAddress(address: try reader.address(), port: guestPort)
        guard guestPort != 0 else { throw .invalidValue }
        try reader.finish()
    }
}

/// The host's answer to a `PublishRequest`.
///
///      0               4       6
///     +---------------+-------+------------------+
///     | number        | port  | errno and text   |
///     +---------------+-------+------------------+
public struct PublishAnswer: Hashable, Sendable {
    public var number: UInt32
    /// The published port of the host. The host has chosen it if the request's port was zero.
    public var port: UInt16
    /// Why the host did not publish the port; `nil` if it did.
    public var refusal: Refusal?

    /// An answer to the request with this number.
    public init(number: UInt32, port: UInt16, refusal: Refusal? = nil) {
        self.number = number
        self.port = port
        self.refusal = refusal
    }

    func write(_ writer: inout ByteWriter) {
        writer.append(number)
        writer.append(port)
        Refusal.write(refusal, &writer)
    }

    init(_ reader: inout ByteReader) throws(AgentProtocolFailure) {
        number = try reader.integer()
        port = try reader.integer()
        refusal = try Refusal.read(&reader)
        try reader.finish()
    }
}
