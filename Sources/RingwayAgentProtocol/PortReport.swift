public import RingwayModel

/// Ports of the guest that have come to be listened on, or are so no more.
///
///      0       2
///     +-------+----+----+-------+----------------+
///     | count |what| is | port  | address        |  ... 20 bytes for each
///     +-------+----+----+-------+----------------+
///
/// "What" is 1 for TCP and 2 for UDP; "is" is 1 for a port that has come and 0 for one that has gone. The first report
/// of a control channel has everything that is there.
public struct PortReport: Hashable, Sendable {
    /// One port that has come or gone.
    public struct Change: Hashable, Sendable {
        public var port: ListeningPort
        public var isListening: Bool

        /// A change.
        public init(_ port: ListeningPort, isListening: Bool) {
            self.port = port
            self.isListening = isListening
        }
    }

    /// Changes of one message; more take several.
    public static var maximumChanges: Int { 800 }

    public var changes: [Change]

    /// A report of at most `maximumChanges`.
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

/// A socket of the guest's that waits for clients.
public struct ListeningPort: Hashable, Sendable {
    public var transport: AgentTransport
    /// The address that it is bound to; unspecified for all of a family.
    public var address: TransportAddress

    /// A listening port.
    public init(transport: AgentTransport, address: TransportAddress) {
        self.transport = transport
        self.address = address
    }
}

/// TCP or UDP, as a message names it.
public enum AgentTransport: UInt8, Hashable, Sendable {
    case tcp = 1
    case udp = 2

    init(_ reader: inout ByteReader) throws(AgentProtocolFailure) {
        guard let transport = AgentTransport(rawValue: try reader.integer()) else { throw .invalidValue }
        self = transport
    }
}
