internal import CRingway
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import RingwaySplice
internal import RingwayStorage

/// A connection whose octets the agents' thread moves itself: of agents that carry no frames, so that no shard is there to
/// do it.
final class CarriedConnection {
    /// One of the two descriptors.
    final class End: LoopMember {
        fileprivate unowned var connection: CarriedConnection?
        fileprivate let isLink: Bool

        init(_ descriptor: Int32, isLink: Bool) {
            self.isLink = isLink
            super.init(descriptor)
        }

        override var flows: [AgentFlow] {
            guard !isLink, let flow = connection?.flow else { return [] }
            return [flow]
        }

        override func idle(of agent: UInt32) -> [IdleMember] {
            guard !isLink, let connection, let loop, connection.agent == agent else { return [] }
            return [IdleMember(usedAt: connection.usedAt) { loop.end(connection) }]
        }

        override func ready(_ event: EventQueue.Event) {
            guard let connection, let loop else { return }
            connection.carrier.note(
                isReadable: event.isReadable, isWritable: event.isWritable, hasError: event.hasError, ofLink: isLink)
            loop.schedule(connection)
        }
    }

    let client: End
    let conversation: End
    private let agent: UInt32
    private let share: DescriptorShare
    /// When bytes were moved last, monotonic nanoseconds.
    private var usedAt: UInt64 = 0
    private let ends: AgentConnection
    private var carrier: StreamCarrier
    var isInTurn = false
    private var hasEnded = false
    /// Nobody else holds a connection that has nothing to do.
    private var keepsItself: CarriedConnection?

    /// - Parameter share: by which both descriptors are counted.
    init(client: Int32, conversation: Int32, agent: UInt32, _ ends: AgentConnection, _ share: DescriptorShare) {
        self.agent = agent
        self.share = share
        self.ends = ends
        self.client = End(client, isLink: false)
        self.conversation = End(conversation, isLink: true)
        carrier = StreamCarrier(link: conversation, local: client, hasRecords: true)
        carrier.lookAtBoth()
        self.client.connection = self
        self.conversation.connection = self
        keepsItself = self
    }

    /// The local side is the client, and the link leads to the guest.
    fileprivate var flow: AgentFlow {
        var flow = AgentFlow(agent: agent, connection: ends)
        flow.octetsToGuest = carrier.octetsFromLocal
        flow.octetsFromGuest = carrier.octetsToLocal
        flow.hasClientEnded = carrier.hasLocalEnded
        flow.hasGuestEnded = carrier.hasLinkEnded
        return flow
    }

    /// Moves what there is. True asks for another visit.
    func visit(_ pipes: inout PipePool, now: UInt64) -> Bool {
        guard !hasEnded else { return false }
        usedAt = now
        switch carrier.visit(&pipes) {
        case .settled: return false
        case .busy: return true
        case .over: end(reset: false, &pipes)
        case .reset: end(reset: true, &pipes)
        }
        return false
    }

    func end(reset: Bool, _ pipes: inout PipePool) {
        guard !hasEnded else { return }
        hasEnded = true
        _ = client.relinquish()
        _ = conversation.relinquish()
        carrier.close(reset: reset, &pipes)
        share.release(2)
        keepsItself = nil
    }

    /// Ends a connection of which nothing has moved.
    func end(reset: Bool) {
        guard !hasEnded else { return }
        hasEnded = true
        share.release(2)
        if reset, client.descriptor >= 0 { _ = ringway_linger_zero(client.descriptor) }
        client.close()
        conversation.close()
        keepsItself = nil
    }
}
