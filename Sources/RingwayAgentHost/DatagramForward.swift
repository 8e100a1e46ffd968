internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import RingwayStorage
internal import RingwayWire

/// A UDP port of the host's whose clients are led to a server in the guest, through the agent.
///
/// Each client has a conversation of its own, and a socket of its own that is connected to it, so that the kernel sorts
/// datagrams; the port's socket sees only the first of each client.
final class DatagramForward: LoopMember {
    /// Clients at once; of more the one idle for longest ends.
    private static var maximumClients: Int { 1_024 }
    /// Datagrams that are taken before others get their turn.
    private static var turnDatagrams: Int { 64 }

    private let target: DialTarget
    private let route: AgentRoute
    private weak var session: AgentSession?
    private var clients: [TransportAddress: DatagramClient] = [:]
    private let name: TransportAddress?

    init(_ descriptor: Int32, target: DialTarget, route: AgentRoute, session: AgentSession) {
        self.target = target
        self.route = route
        self.session = session
        name = SocketName.local(of: descriptor)
        super.init(descriptor)
    }

    /// Has the kernel tell to which address each datagram came, for the answer to come from there.
    static func prepare(_ descriptor: Int32, ipv4: Bool) {
        if ipv4 {
            _ = ringway_set_option(descriptor, Int32(IPPROTO_IP), IP_PKTINFO, 1)
        } else {
            _ = ringway_set_option(descriptor, Int32(IPPROTO_IPV6), IPV6_RECVPKTINFO, 1)
        }
    }

    override var flows: [AgentFlow] {
        guard let loop, let session else { return [] }
        return clients.values.map { client in
            let ends = AgentConnection(route: route, client: client.peer, target: target)
            var flow = AgentFlow(agent: session.agent.id, connection: ends)
            flow.idle = loop.now > client.lastUse ? loop.now - client.lastUse : 0
            return flow
        }
    }

    override func ready(_ event: EventQueue.Event) { takeSome() }

    override func goOn() { takeSome() }

    private func takeSome() {
        for _ in 0..<Self.turnDatagrams {
            guard descriptor >= 0, let datagram = ArrivingDatagram.receive(descriptor) else { return }
            take(datagram)
        }
        if descriptor >= 0 { loop?.resume(self) }
    }

    private func take(_ datagram: ArrivingDatagram) {
        if let client = clients[datagram.sender] { return client.add(datagram.payload) }
        guard let loop, let session, let name else { return }
        makeRoom()
        guard admit(session.share) else { return }
        var own = name
        if let local = datagram.local { own.address = local }
        guard
            let client = DatagramClient(
                own: own, peer: datagram.sender, forward: self, share: session.share, now: loop.now)
        else { return session.share.release() }
        client.add(datagram.payload)
        clients[datagram.sender] = client
        session.dial(target) { outcome in
            switch outcome {
            case .success(let stream): client.begin(stream.relinquish())
            case .failure: client.end()
            }
        }
    }

    private func makeRoom() {
        guard clients.count >= Self.maximumClients else { return }
        endIdlest()
    }

    private func endIdlest() { clients.values.min { $0.lastUse < $1.lastUse }?.end() }

    /// Counts the descriptor of a client, in the place of the port's oldest one where the guest has its share.
    private func admit(_ share: DescriptorShare) -> Bool {
        let grant = share.acquire()
        if grant == .beyondShare, !clients.isEmpty {
            endIdlest()
            return share.acquire() == .granted
        }
        return grant == .granted
    }

    override func idle(of agent: UInt32) -> [IdleMember] {
        guard session?.agent.id == agent else { return [] }
        return clients.values.map { client in IdleMember(usedAt: client.lastUse) { client.end() } }
    }

    override func look(at now: UInt64) {
        for client in clients.values where client.isIdle(at: now) { client.end() }
    }

    override func closing() {
        for client in clients.values { client.end() }
    }

    fileprivate func forget(_ client: DatagramClient) { clients[client.peer] = nil }
}

/// One client of a UDP port.
final class DatagramClient {
    /// One of its two descriptors.
    private final class End: LoopMember {
        var client: DatagramClient?

        override func ready(_ event: EventQueue.Event) { client?.turn() }
        override func goOn() { client?.turn() }
    }

    /// Nanoseconds after which a client that is not heard of ends.
    private static var patience: UInt64 { 180_000_000_000 }
    /// Datagrams kept until the guest's server is reached.
    private static var maximumEarly: Int { 32 }

    let peer: TransportAddress
    private(set) var lastUse: UInt64
    private weak var forward: DatagramForward?
    private let share: DescriptorShare
    private let socket: End
    private var conversation: End?
    private let carrier = DatagramCarrier()
    private var early: [[UInt8]] = []
    private var hasEnded = false

    /// - Parameter share: by which the client's descriptor is counted.
    init?(
        own: TransportAddress, peer: TransportAddress, forward: DatagramForward, share: DescriptorShare, now: UInt64
    ) {
        self.peer = peer
        self.forward = forward
        self.share = share
        lastUse = now
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = Glibc.socket(
            peer.address.isIPv4 ? AF_INET : AF_INET6, Int32(SOCK_DGRAM.rawValue) | flags, 0)
        guard descriptor >= 0 else { return nil }
        _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1)
        guard SocketName.bind(descriptor, own), SocketName.connect(descriptor, peer) else {
            close(descriptor)
            return nil
        }
        socket = End(descriptor)
        socket.charge = .flow(share)
        socket.client = self
    }

    /// A datagram that came by the port's socket.
    func add(_ payload: [UInt8]) {
        lastUse = forward?.loop?.now ?? lastUse
        if conversation != nil {
            turn(first: payload)
        } else if early.count < Self.maximumEarly {
            early.append(payload)
        }
    }

    /// The guest's server is reached, by a conversation that is counted.
    func begin(_ descriptor: Int32) {
        let end = End(descriptor)
        end.charge = .flow(share)
        guard !hasEnded, let loop = forward?.loop else { return end.close() }
        end.client = self
        conversation = end
        guard loop.watch(end), loop.watch(socket) else { return self.end() }
        for payload in early { carrier.add(payload) }
        early = []
        turn()
    }

    private func turn(first payload: [UInt8]? = nil) {
        guard let conversation, !hasEnded else { return }
        lastUse = forward?.loop?.now ?? lastUse
        if let payload { carrier.add(payload) }
        switch carrier.turn(link: conversation.descriptor, socket: socket.descriptor) {
        case .settled: break
        case .busy: forward?.loop?.resume(conversation)
        case .over, .failed: end()
        }
    }

    func isIdle(at now: UInt64) -> Bool { now >= lastUse + Self.patience }

    func end() {
        guard !hasEnded else { return }
        hasEnded = true
        socket.close()
        conversation?.close()
        // Each holds the other.
        socket.client = nil
        conversation?.client = nil
        forward?.forget(self)
    }
}
