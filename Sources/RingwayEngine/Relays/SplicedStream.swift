internal import RingwayRelay
internal import RingwayStorage
internal import RingwayWire

/// A connection of two sockets: the client's, accepted on the host, and one inside the guest, connected to its server, or
/// a channel to the guest's agent, which is. What moves between them is a `Relay`'s business; the rest is about how the
/// connection comes about and how it is listed.
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
    /// The near end is the client's, the far one leads into the guest.
    var relay: Relay
    /// The client's address as the host sees it, and the guest's server: what it takes to go by the link instead.
    var clientAddress: TransportAddress
    var server: TransportAddress
    /// Of an agent's channel: the number of what it came by, and whether it was the guest that began it.
    var route: UInt32 = 0
    var isOpenedByGuest = false
    /// While opening: when to give up, in monotonic nanoseconds.
    var deadline: UInt64 = 0
    var place = Place.none
    /// The ring's round in which the latest watch was queued.
    var watchedInRound: UInt64 = .max
    /// When bytes were moved last, monotonic nanoseconds.
    var usedAt: UInt64 = 0
    var previous: UInt32 = .max
    var next: UInt32 = .max

    init(client: Int32, address: TransportAddress, server: TransportAddress) {
        relay = Relay(near: client, far: -1, farHasRecords: false)
        clientAddress = address
        self.server = server
    }

    /// Two sockets that are connected, the guest's side of which is a channel to its agent.
    init(client: Int32, channel: Int32, _ ends: ChannelEnds) {
        relay = Relay(near: client, far: channel, farHasRecords: true)
        relay.tryBoth()
        clientAddress = ends.client
        server = ends.server
        route = ends.route
        isOpenedByGuest = ends.isOpenedByGuest
        phase = .moving
    }
}

/// What an agent's channel connects, for lists of flows.
struct ChannelEnds: BitwiseCopyable, Sendable {
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
