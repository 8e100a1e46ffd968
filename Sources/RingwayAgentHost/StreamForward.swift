internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import RingwayStorage

/// A listening socket of the host's whose clients are led to a server in the guest, through the agent.
final class StreamForward: LoopMember {
    private let target: DialTarget
    private let route: AgentRoute
    private weak var session: AgentSession?
    /// Whether clients were left in the queue, because there were no descriptors for them.
    private var hasLeftClients = false

    init(_ descriptor: Int32, target: DialTarget, route: AgentRoute, session: AgentSession) {
        self.target = target
        self.route = route
        self.session = session
        super.init(descriptor)
    }

    override func ready(_ event: EventQueue.Event) { takeAll() }

    private func takeAll() {
        while descriptor >= 0 {
            let client = ringway_accept_stream(descriptor, true)
            guard client >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                hasLeftClients = errno != EAGAIN
                return
            }
            lead(client)
        }
    }

    /// Edges tell of clients once; where there were no descriptors for them, they are taken later.
    override func look(at now: UInt64) {
        if hasLeftClients { takeAll() }
    }

    private func lead(_ client: Int32) {
        let ends = AgentConnection(route: route, client: SocketName.peer(of: client), target: target)
        _ = ringway_set_option(client, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        _ = ringway_set_option(client, SOL_SOCKET, SO_KEEPALIVE, 1)
        guard let session else { return Self.turnAway(client) }
        let share = session.share
        guard share.acquire() == .granted else { return Self.turnAway(client) }
        session.dial(target) { [weak session] outcome in
            switch outcome {
            case .success(let stream):
                guard let session else {
                    stream.close()
                    return Self.turnAway(client, countedBy: share)
                }
                session.join(client: client, conversation: stream.relinquish(), ends)
            case .failure: Self.turnAway(client, countedBy: share)
            }
        }
    }

    /// The guest's server cannot be reached: the client sees what it would see of a port at which nobody listens.
    private static func turnAway(_ client: Int32, countedBy share: DescriptorShare? = nil) {
        _ = ringway_linger_zero(client)
        Glibc.close(client)
        share?.release()
    }
}
