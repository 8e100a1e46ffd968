internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayRelay
internal import RingwayStorage
internal import RingwaySystem

/// A UDP port of the host that is forwarded to a server in the guest, through the agent.
///
/// Each client has its own channel, and its own connected socket, so that the kernel demultiplexes datagrams; the
/// port's socket only receives each client's first datagram.
final class DatagramForward: HostMember {
    /// The most clients; beyond it the client with the longest idle time ends.
    private static var maximumClients: Int { 1_024 }
    /// The most datagrams received per turn, so that other members get their turn.
    private static var datagramsPerTurn: Int { 64 }

    private let target: DialTarget
    private let route: AgentRoute
    private weak var session: AgentSession?
    private var clients: [TransportAddress: DatagramClient] = [:]
    private let name: TransportAddress?

    init(_ descriptor: Int32, target: DialTarget, route: AgentRoute, session: AgentSession) {
        self.target = target
        self.route = route
        self.session = session
        name = SocketAddress.local(of: descriptor)
        super.init(descriptor)
    }

    /// Makes the kernel report the destination address of each datagram, from which replies are sent.
    static func prepare(_ descriptor: Int32, ipv4: Bool) {
        if ipv4 {
            _ = ringway_set_option(descriptor, Int32(IPPROTO_IP), IP_PKTINFO, 1)
        } else {
            _ = ringway_set_option(descriptor, Int32(IPPROTO_IPV6), IPV6_RECVPKTINFO, 1)
        }
    }

    override func ready(_ events: EventLoop.Events) {
        for _ in 0..<Self.datagramsPerTurn {
            guard descriptor >= 0, let datagram = ReceivedDatagram.receive(descriptor) else { return }
            take(datagram)
        }
    }

    private func take(_ datagram: ReceivedDatagram) {
        if let client = clients[datagram.sender] { return client.send(datagram.payload) }
        guard let host, let session, let name else { return }
        makeRoom()
        guard admit(session.share) else { return }
        var own = name
        if let local = datagram.local { own.address = local }
        let ends = AgentConnection(route: route, client: datagram.sender, target: target)
        guard
            let client = DatagramClient(
                own: own, peer: datagram.sender, ends, forward: self, session: session, host: host)
        else { return session.share.release() }
        client.send(datagram.payload)
        clients[datagram.sender] = client
        session.dial(target) { outcome in
            switch outcome {
            case .success(let stream): client.start(channel: stream.relinquish())
            case .failure: client.end(reset: true)
            }
        }
    }

    private func makeRoom() {
        guard clients.count >= Self.maximumClients else { return }
        endIdlest()
    }

    private func endIdlest() { clients.values.min { $0.usedAt < $1.usedAt }?.end(reset: true) }

    /// Counts the descriptor of a new client. If the guest's share is used up, the port's client with the longest idle
    /// time ends in favour of the new one.
    private func admit(_ share: DescriptorShare) -> Bool {
        let grant = share.acquire()
        if grant == .beyondShare, !clients.isEmpty {
            endIdlest()
            return share.acquire() == .granted
        }
        return grant == .granted
    }

    override func closing() {
        for client in clients.values { client.end(reset: true) }
    }

    fileprivate func forget(_ client: DatagramClient) { clients[client.peer] = nil }
}

/// One client of a UDP port: the near end is its socket, the far one its channel through the agent.
final class DatagramClient: HostRelay {
    /// Nanoseconds without a datagram after which a client ends.
    private static var idleTimeout: UInt64 { 180_000_000_000 }
    /// The most datagrams queued until the guest's server is connected.
    private static var maximumEarly: Int { 32 }

    let peer: TransportAddress
    private let ends: AgentConnection
    private weak var forward: DatagramForward?
    private var early: [[UInt8]] = []
    private var hasChannel = false

    /// Creates the client's socket, whose descriptor the caller has counted in the session's share; `nil` on failure.
    init?(
        own: TransportAddress, peer: TransportAddress, _ ends: AgentConnection, forward: DatagramForward,
        session: AgentSession, host: HostLoop
    ) {
        self.peer = peer
        self.ends = ends
        self.forward = forward
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard
            let socket = OwnedDescriptor(
                result: Glibc.socket(SocketAddress.family(of: peer.address), Int32(SOCK_DGRAM.rawValue) | flags, 0))
        else { return nil }
        _ = ringway_set_option(socket.rawValue, SOL_SOCKET, SO_REUSEPORT, 1)
        guard SocketAddress.bind(socket.rawValue, to: own) == 0, SocketAddress.connect(socket.rawValue, to: peer) == 0
        else { return nil }
        super.init(near: socket.take(), far: -1, agent: session.agent.id, session.share, host: host)
        host.add(self)
        host.loop.schedule(self, at: usedAt + Self.idleTimeout)
    }

    override var flow: AgentFlow? {
        var flow = AgentFlow(agent: agent, connection: ends)
        flow.idle = host.loop.now > usedAt ? host.loop.now - usedAt : 0
        return flow
    }

    /// Sends the guest a datagram that was received on the port's own socket.
    func send(_ payload: [UInt8]) {
        use()
        if isMoving {
            add(payload)
        } else if early.count < Self.maximumEarly {
            early.append(payload)
        }
    }

    /// Starts the relay, once the agent has connected to the guest's server.
    ///
    /// - Parameter channel: the channel to the server; adopted, and counted in the share.
    func start(channel: Int32) {
        guard !hasEnded else {
            Glibc.close(channel)
            return share.release()
        }
        setFar(channel)
        hasChannel = true
        use()
        guard watch(.far), watch(.near) else { return end(reset: true) }
        beginDatagrams()
        for payload in early { add(payload) }
        early = []
    }

    override func deadlinePassed(now: UInt64) {
        let end = usedAt + Self.idleTimeout
        if now >= end { self.end(reset: true) } else { host.loop.schedule(self, at: end) }
    }

    override func ended(reset: Bool) {
        share.release(hasChannel ? 2 : 1)
        forward?.forget(self)
        host.remove(self)
    }
}
