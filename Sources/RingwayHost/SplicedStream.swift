@_exported public import RingwayRelay
internal import RingwayStorage
public import RingwayWire

public typealias SplicedEnd = RelayEnd
public typealias SplicedDirection = RelayDirection
public typealias SplicedOutcome = RelayDirection.Outcome

/// A connection of two sockets: the client's, accepted on the host, and one inside the guest, connected to its server, or
/// a conversation with the guest's agent, which is.
///
/// Octets go from one to the other through pipes, by splice(2), so that the kernel hands over its pages and nobody copies
/// them. The sockets' own buffers are all the memory there is: nothing more is read from one while the other does not
/// take what was read.
@frozen
public struct SplicedStream: BitwiseCopyable {
    /// Where the connection stands.
    public enum Phase: UInt8, BitwiseCopyable {
        /// It has no socket in the guest yet.
        case waiting
        /// The guest's server has not answered yet.
        case connecting
        case moving
    }

    /// The list of the shard's on which the stream is.
    public enum Place: UInt8, BitwiseCopyable { case none, opening, running }

    public var phase = Phase.waiting
    public var client: SplicedEnd
    public var guest = SplicedEnd(descriptor: -1)
    public var toGuest = SplicedDirection()
    public var fromGuest = SplicedDirection()
    /// The client's address as the host sees it, and the guest's server: what it takes to go by the link instead.
    public var clientAddress: TransportAddress
    public var server: TransportAddress
    /// Of a conversation: the number of what it came by, and whether it was the guest that began it.
    public var route: UInt32 = 0
    public var isOpenedByGuest = false
    /// While opening: when to give up, in monotonic nanoseconds.
    public var deadline: UInt64 = 0
    public var place = Place.none
    /// When bytes were moved last, monotonic nanoseconds.
    public var usedAt: UInt64 = 0
    public var previous: UInt32 = .max
    public var next: UInt32 = .max

    public init(client: Int32, address: TransportAddress, server: TransportAddress) {
        self.client = SplicedEnd(descriptor: client)
        clientAddress = address
        self.server = server
    }

    /// Two sockets that are connected, the guest's side of which is a conversation with its agent.
    public init(client: Int32, conversation: Int32, _ ends: ConversationEnds) {
        self.init(client: client, address: ends.client, server: ends.server)
        route = ends.route
        isOpenedByGuest = ends.isOpenedByGuest
        phase = .moving
        guest.descriptor = conversation
        toGuest = SplicedDirection(.intoRecords)
        fromGuest = SplicedDirection(.outOfRecords)
        toGuest.isReadable = true
        fromGuest.isReadable = true
    }

    /// Whether both ends have said all they had to say, and it has been passed on.
    public var isOver: Bool { toGuest.isShut && fromGuest.isShut }
}

/// What a conversation with the guest's agent joins, for lists of flows.
@frozen
public struct ConversationEnds: BitwiseCopyable, Sendable {
    /// The client and the server; port 0 for a unix socket.
    public var client: TransportAddress
    public var server: TransportAddress
    /// The number of what it came by.
    public var route: UInt32
    public var isOpenedByGuest: Bool

    public init(client: TransportAddress?, server: TransportAddress?, route: UInt32, isOpenedByGuest: Bool) {
        let nowhere = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
        self.client = client ?? nowhere
        self.server = server ?? nowhere
        self.route = route
        self.isOpenedByGuest = isOpenedByGuest
    }
}
