public import RingwayModel

/// A snapshot of one flow, for listings.
public struct FlowRecord: Sendable, BitwiseCopyable {
    public var key: FlowKey
    public var kind: Flow.Kind
    /// The state of a TCP connection; `established` for other flows.
    public var state = TCPState.established
    /// Whether a client of a published port opened the flow.
    public var isOpenedByHost = false
    /// Whether a shard relays the flow without the link: to a socket inside the guest's network namespace, or through
    /// a connection to the guest's agent.
    public var isSpliced = false
    /// For a connection through an agent, the number of the forward or of the host socket
    /// (`Configuration.agentSockets`) that it uses; 0 for all other flows.
    public var route: UInt32 = 0
    /// The far end on the host's side: the server or client of a connection, or the peer of a UDP mapping (of several,
    /// the one that the guest sent to last). A ping has no single far end: its record has the key's remote address,
    /// which is unspecified.
    public var hostAddress: TransportAddress
    /// Payload bytes so far; zero for UDP mappings and pings, which do not count them.
    public var bytesFromGuest: UInt64 = 0
    public var bytesToGuest: UInt64 = 0
    /// Nanoseconds since the guest's last segment, a mapping's last datagram in either direction, a ping's last
    /// request, or the last event of the sockets of a connection that a shard relays.
    public var idle: UInt64 = 0

    /// A record with these values, and defaults for the rest.
    public init(key: FlowKey, kind: Flow.Kind, hostAddress: TransportAddress) {
        self.key = key
        self.kind = kind
        self.hostAddress = hostAddress
    }

    /// Nanoseconds since `instant`.
    public static func idle(since instant: UInt64, now: UInt64) -> UInt64 { now > instant ? now - instant : 0 }
}

/// The position in a listing of a shard's flows.
public struct FlowCursor: Sendable, BitwiseCopyable {
    /// The tables of a listing, in order.
    public enum Table: UInt8, Sendable, BitwiseCopyable { case connections, mappings, pings, spliced, end }

    public var table = Table.connections
    /// The next slot to visit.
    public var slot: UInt32 = 0

    public init() {}

    /// Writes the flows of one table from the cursor on, until the writer is full. At the end of the table, the
    /// cursor moves to the next one. Does nothing if the cursor is in another table.
    ///
    /// - Parameters:
    ///   - highWater: slots below this number may be occupied; all others are free.
    ///   - record: the record of a slot; `nil` if the slot is free.
    mutating func list(
        _ table: Table, upTo highWater: UInt32, to writer: inout FlowRecordWriter, record: (UInt32) -> FlowRecord?
    ) {
        while self.table == table, !writer.isFull {
            guard slot < highWater else { return advance() }
            if let flow = record(slot) { writer.append(flow) }
            slot += 1
            writer.visits -= 1
        }
    }

    /// Moves the cursor to the next table.
    public mutating func advance() {
        table = Table(rawValue: table.rawValue + 1) ?? .end
        slot = 0
    }
}

/// Writes one chunk of a listing.
public struct FlowRecordWriter: ~Copyable {
    private let records: UnsafeMutableBufferPointer<FlowRecord>
    public private(set) var count = 0
    /// Slots that may still be visited.
    public var visits: Int

    /// Prepares to write one chunk.
    ///
    /// - Parameters:
    ///   - records: uninitialised memory for the chunk.
    ///   - visits: the most slots to visit, occupied or not.
    public init(_ records: UnsafeMutableBufferPointer<FlowRecord>, visits: Int) {
        self.records = records
        self.visits = visits
    }

    /// Whether the chunk is full or its visits are used up.
    public var isFull: Bool { count == records.count || visits <= 0 }

    /// Adds a record; there must be room.
    public mutating func append(_ record: FlowRecord) {
        records.initializeElement(at: count, to: record)
        count += 1
    }
}
