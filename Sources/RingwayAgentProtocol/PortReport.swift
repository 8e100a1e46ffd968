public import RingwayModel

/// Listening ports of the guest that were opened or closed.
///
///      0       2
///     +-------+----+----+-------+----------------+
///     | count |what|open| port  | address        |  ... 20 bytes for each port
///     +-------+----+----+-------+----------------+
///
/// "What" is 1 for TCP and 2 for UDP; "open" is 1 for an opened port and 0 for a closed one. The first report of a
/// control channel lists all open ports, continued in further reports if they are more than `maximumChanges`.
public struct PortReport: Hashable, Sendable {
    /// One opened or closed port.
    public struct Change: Hashable, Sendable {
        public var port: ListeningPort
        public var isListening: Bool

        /// A change of one port.
        public init(_ port: ListeningPort, isListening: Bool) {
            self.port = port
            self.isListening = isListening
        }
    }

    /// The most changes in one message.
    public static var maximumChanges: Int { 800 }

    public var changes: [Change]

    /// A report of at most `maximumChanges` changes.
    public init(changes: [Change]) {
        precondition(changes.count <= Self.maximumChanges)
        self.changes = changes
    }

    func write(_ writer: inout ByteWriter) {
        writer.append(UInt16(changes.count))
        for change in changes {
            writer.append(change.port.transport.rawValue)
            writer.append(change.isListening ? UInt8(1) : 0)
            writer.append(change.port.address.port)
            writer.append(change.port.address.address)
        }
    }

    init(_ reader: inout ByteReader) throws(AgentProtocolFailure) {
        let count = Int(try reader.integer(UInt16.self))
        guard count <= Self.maximumChanges else { throw .tooLong }
        changes = []
        for _ in 0..<count {
            let transport = try AgentTransport(&reader)
            let isListening = try reader.flag()
            let port: UInt16 = try reader.integer()
            let address = TransportAddress(address: try reader.address(), port: port)
            guard port != 0 else { throw .invalidValue }
            changes.append(
                Change(ListeningPort(transport: transport, address: address), isListening: isListening))
        }
        try reader.finish()
    }
}

/// A listening socket of the guest.
public struct ListeningPort: Hashable, Sendable {
    public var transport: AgentTransport
    /// The address to which the socket is bound. The unspecified address means all addresses of its family.
    public var address: TransportAddress

    /// A listening port.
    public init(transport: AgentTransport, address: TransportAddress) {
        self.transport = transport
        self.address = address
    }
}

/// TCP or UDP, with the value used in messages.
public enum AgentTransport: UInt8, Hashable, Sendable {
    case tcp = 1
    case udp = 2

    init(_ reader: inout ByteReader) throws(AgentProtocolFailure) {
        guard let transport = AgentTransport(rawValue: try reader.integer()) else { throw .invalidValue }
        self = transport
    }
}
