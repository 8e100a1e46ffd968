public import RingwayWire

/// What can be said of one flow at one moment.
public struct FlowRecord: Sendable, BitwiseCopyable {
    public var key: FlowKey
    public var kind: Flow.Kind
    /// Where a TCP connection stands; `established` for everything else.
    public var state = TCPState.established
    /// A client of a published port began it.
    public var isOpenedByHost = false
    /// It goes around the link, by a socket inside the guest.
    public var isSpliced = false
    /// The number of what it came by through the guest's agent, which its network knows; 0 for every other flow.
    public var route: UInt32 = 0
    /// Where the host's socket is connected to, or the client; the key's remote end where there is no such socket.
    public var hostAddress: TransportAddress
    /// Bytes of payload so far; zero where they are not counted.
    public var bytesFromGuest: UInt64 = 0
    public var bytesToGuest: UInt64 = 0
    /// Nanoseconds since the guest was last heard, or since the last datagram.
    public var idle: UInt64 = 0

    /// A flow of which only this is known.
    public init(key: FlowKey, kind: Flow.Kind, hostAddress: TransportAddress) {
        self.key = key
        self.kind = kind
        self.hostAddress = hostAddress
    }

    /// Nanoseconds since an instant.
    static func idle(since instant: UInt64, now: UInt64) -> UInt64 { now > instant ? now - instant : 0 }
}

/// How far a listing of a shard's flows has come.
public struct FlowCursor: Sendable, BitwiseCopyable {
    /// The tables that a listing goes through, in this order.
    public enum Table: UInt8, Sendable, BitwiseCopyable { case connections, mappings, pings, spliced, end }

    public var table = Table.connections
    /// The next slot to look at.
    public var slot: UInt32 = 0

    public init() {}

    /// Writes the flows of one table from the cursor on, where it stands at that table, until the piece is full or the table
    /// is at its end.
    ///
    /// - Parameters:
    ///   - highWater: slots below this may be occupied.
    ///   - record: what is listed of a slot; `nil` when it is free.
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

    /// Goes on with the next table.
    public mutating func advance() {
        table = Table(rawValue: table.rawValue + 1) ?? .end
        slot = 0
    }
}

/// Where a piece of a listing is written to.
public struct FlowRecordWriter: ~Copyable {
    private let records: UnsafeMutableBufferPointer<FlowRecord>
    public private(set) var count = 0
    /// Slots that may still be looked at.
    public var visits: Int

    /// - Parameters:
    ///   - records: uninitialised memory for the piece.
    ///   - visits: slots that may be looked at, occupied or not.
    public init(_ records: UnsafeMutableBufferPointer<FlowRecord>, visits: Int) {
        self.records = records
        self.visits = visits
    }

    /// Whether the piece has come to its end.
    public var isFull: Bool { count == records.count || visits <= 0 }

    /// Adds a record; there must be room.
    public mutating func append(_ record: FlowRecord) {
        records.initializeElement(at: count, to: record)
        count += 1
    }
}
