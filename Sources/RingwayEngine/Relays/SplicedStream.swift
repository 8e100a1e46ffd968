internal import RingwayModel
internal import RingwayRelay
internal import RingwayStorage

/// A connection whose bytes are relayed between two sockets. The near socket is on the host. It is the client's socket
/// or, if the guest opened the connection through its agent, a socket connected to a server. The far socket is inside
/// the guest and connected to the guest's server, or it is a channel to the agent. A `Relay` moves the bytes; the other
/// fields are for opening, listing and closing.
struct SplicedStream: BitwiseCopyable {
    /// The state of the connection.
    enum Phase: UInt8, BitwiseCopyable {
        /// Waits for a socket inside the guest.
        case waiting
        /// Waits for the guest's server to answer.
        case connecting
        case moving
    }

    /// The list on which the stream is.
    enum Place: UInt8, BitwiseCopyable { case none, opening, running, returning }

    var phase = Phase.waiting
    /// The near end is the socket on the host; the far end is a socket inside the guest, or the channel to the agent.
    var relay: Relay
    /// The addresses of the client, as the host sees it, and of the server. Lists of flows show them, and both are
    /// needed if the client must use the link instead.
    var clientAddress: TransportAddress
    var server: TransportAddress
    /// For an agent's channel: the number of its forward, and whether the guest opened the connection.
    var route: UInt32 = 0
    var isOpenedByGuest = false
    /// While opening: when the opening times out, in monotonic nanoseconds.
    var deadline: UInt64 = 0
    var place = Place.none
    /// The ring's round (`Ring.round`) in which the latest poll of the sockets was queued.
    var watchedInRound: UInt64 = .max
    /// The time of the last visit, in monotonic nanoseconds; before the first visit, the time of the opening.
    var usedAt: UInt64
    /// The links of the list that `place` names.
    var links = SlotLinks()

    init(client: Int32, address: TransportAddress, server: TransportAddress, now: UInt64) {
        relay = Relay(near: client, far: -1, farHasRecords: false)
        clientAddress = address
        self.server = server
        usedAt = now
    }

    /// A connection through the guest's agent; both sockets are connected.
    init(client: Int32, channel: Int32, _ ends: ChannelEnds, now: UInt64) {
        relay = Relay(near: client, far: channel, farHasRecords: true)
        relay.tryBoth()
        clientAddress = ends.client
        server = ends.server
        route = ends.route
        isOpenedByGuest = ends.isOpenedByGuest
        phase = .moving
        usedAt = now
    }
}

/// The properties of a connection through an agent that lists of flows show.
struct ChannelEnds: BitwiseCopyable, Sendable {
    /// The addresses of client and server. Address and port are zero for an end that has none, such as a unix socket.
    var client: TransportAddress
    var server: TransportAddress
    /// The number of the connection's forward.
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
