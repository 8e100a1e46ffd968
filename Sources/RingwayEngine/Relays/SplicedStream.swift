internal import RingwayRelay
internal import RingwayStorage
internal import RingwayWire

/// A connection of two sockets: the client's, accepted on the host, and one inside the guest, connected to its server, or
/// a conversation with the guest's agent, which is.
///
/// Bytes go from one to the other through pipes, by splice(2), so that the kernel hands over its pages and nothing is
/// copied. The sockets' own buffers are all the memory there is: nothing more is read from one while the other does not
/// take what was read.
struct SplicedStream: BitwiseCopyable {
    /// Where the connection stands.
    enum Phase: UInt8, BitwiseCopyable {
        /// It has no socket in the guest yet.
        case waiting
        /// The guest's server has not answered yet.
        case connecting
        case moving
    }

    /// The list on which the stream is.
    enum Place: UInt8, BitwiseCopyable { case none, opening, running, returning }

    var phase = Phase.waiting
    var client: RelayEnd
    var guest = RelayEnd(descriptor: -1)
    var toGuest = RelayDirection()
    var fromGuest = RelayDirection()
    /// The client's address as the host sees it, and the guest's server: what it takes to go by the link instead.
    var clientAddress: TransportAddress
    var server: TransportAddress
    /// Of a conversation: the number of what it came by, and whether it was the guest that began it.
    var route: UInt32 = 0
    var isOpenedByGuest = false
    /// While opening: when to give up, in monotonic nanoseconds.
    var deadline: UInt64 = 0
    var place = Place.none
    /// When bytes were moved last, monotonic nanoseconds.
    var usedAt: UInt64 = 0
    var previous: UInt32 = .max
    var next: UInt32 = .max

    init(client: Int32, address: TransportAddress, server: TransportAddress) {
        self.client = RelayEnd(descriptor: client)
        clientAddress = address
        self.server = server
    }

    /// Two sockets that are connected, the guest's side of which is a conversation with its agent.
    init(client: Int32, conversation: Int32, _ ends: ConversationEnds) {
        self.init(client: client, address: ends.client, server: ends.server)
        route = ends.route
        isOpenedByGuest = ends.isOpenedByGuest
        phase = .moving
        guest.descriptor = conversation
        toGuest = RelayDirection(.intoRecords)
        fromGuest = RelayDirection(.outOfRecords)
        toGuest.isReadable = true
        fromGuest.isReadable = true
    }

    /// Whether both ends have said all they had to say, and it has been passed on.
    var isOver: Bool { toGuest.isShut && fromGuest.isShut }
}

/// What a conversation with the guest's agent joins, for lists of flows.
struct ConversationEnds: BitwiseCopyable, Sendable {
    /// The client and the server; port 0 for a unix socket.
    var client: TransportAddress
    var server: TransportAddress
    /// The number of what it came by.
    var route: UInt32
    var isOpenedByGuest: Bool

    init(client: TransportAddress?, server: TransportAddress?, route: UInt32, isOpenedByGuest: Bool) {
        let nowhere = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
        self.client = client ?? nowhere
        self.server = server ?? nowhere
        self.route = route
        self.isOpenedByGuest = isOpenedByGuest
    }
}
