internal import RingwayAgentProtocol
internal import RingwayConversation

/// One conversation that carries a connection, from its hello to its end.
final class AgentStream {
    enum Phase {
        /// Nobody has asked for anything yet, or the host has not said welcome yet.
        case idle
        /// The server in the guest has not answered yet.
        case connecting
        /// The server's queue is full; tried again after a moment.
        case waiting(DialTarget)
        /// Octets move both ways.
        case moving
        /// Datagrams do.
        case datagrams(DatagramCarrier)
    }

    let slot: Int
    let generation: UInt32
    var carrier: StreamCarrier
    var phase = Phase.idle
    var reader = AgentMessageReader.ofHost()
    /// Connects the guest to a socket of the host's, as soon as the host agrees.
    let isFromGuest: Bool
    /// Whether it is to be visited.
    var isInTurn = false

    init(slot: Int, generation: UInt32, link: Int32, client: Int32?) {
        self.slot = slot
        self.generation = generation
        carrier = StreamCarrier(link: link, local: client ?? -1, hasRecords: true)
        isFromGuest = client != nil
    }

    /// A connection between two sockets of the guest's.
    init(slot: Int, plain client: Int32) {
        self.slot = slot
        generation = 0
        carrier = StreamCarrier(link: client, local: -1, hasRecords: false)
        isFromGuest = true
    }

    func note(_ event: EventQueue.Event, isLink: Bool) {
        // A socket tells its error once: that of a connect is for whoever asks how the connect went.
        let isConnecting = if case .connecting = phase { !isLink } else { false }
        carrier.note(
            isReadable: event.isReadable, isWritable: event.isWritable, hasError: event.hasError && !isConnecting,
            ofLink: isLink)
    }
}
