internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayStorage
internal import RingwaySystem

/// A listening socket of the host that is forwarded to a server in the guest, through the agent.
final class StreamForward: AcceptingMember {
    private let target: DialTarget
    private let route: AgentRoute
    private weak var session: AgentSession?

    init(_ descriptor: Int32, target: DialTarget, route: AgentRoute, session: AgentSession) {
        self.target = target
        self.route = route
        self.session = session
        super.init(descriptor)
    }

    override func accepted(_ client: Int32) {
        let ends = AgentConnection(route: route, client: SocketAddress.peer(of: client), target: target)
        _ = ringway_set_option(client, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        _ = ringway_set_option(client, SOL_SOCKET, SO_KEEPALIVE, 1)
        guard let session else { return Self.reset(client) }
        let share = session.share
        guard share.acquire() == .granted else { return Self.reset(client) }
        session.dial(target) { [weak session] outcome in
            switch outcome {
            case .success(let stream):
                guard let session else {
                    stream.close()
                    return Self.reset(client, countedBy: share)
                }
                session.join(client: client, channel: stream.relinquish(), ends)
            case .failure: Self.reset(client, countedBy: share)
            }
        }
    }

    /// Resets a client that cannot be connected to the server, as a closed port would.
    private static func reset(_ client: Int32, countedBy share: DescriptorShare? = nil) {
        _ = ringway_linger_zero(client)
        Glibc.close(client)
        share?.release()
    }
}
