internal import CRingway
internal import Glibc
public import RingwayAgentProtocol
public import RingwayStorage
public import RingwaySystem

/// The host's side of agents: accepts their connections, checks their hellos, collects the frame channels of each
/// agent, and dials servers in guests through them.
///
/// ## Theory of operation
///
/// Everything runs on one event loop (`HostLoop`) with its own thread, separate from the network's control loop. The
/// thread relays connections for agents without frames, and these connections must not wait for the control loop or an
/// embedder's event handlers. The threads of the two loops call each other and wait for the result.
///
///     connection ─► AgentListener ─► PendingChannel ─hello─► AgentSession     control
///                   MonitorSocket ─┘                       ├► its queues      frames
///                                                          ├► HostStream      stream, kept ready
///                                                          └► joinHostSocket  host socket
///
/// An `AgentSession` lives as long as its control channel. When all of its queues are connected, the network's policy
/// (`AgentReception`) admits it and takes ownership of the queues. A client of a forward (`StreamForward`,
/// `DatagramForward`) uses a ready stream, which the agent is asked to connect to a server. Then the `AgentReception`
/// may take both sockets of a connection, which a shard relays; otherwise a `RelayedConnection` relays them here.
/// Datagrams are always relayed here.
public final class AgentHost: Sendable {
    private let thread: LoopThread
    /// The state of the agents' thread; `nil` until the thread runs, and after `stop`.
    private let state: LoopConfined<HostLoop?>

    /// Starts the thread, without listeners.
    ///
    /// - Parameters:
    ///   - token: the token required from agents; empty for none.
    ///   - mostQueues: the most queues of an agent's guest; an agent that offers more uses its first ones.
    ///   - budget: counts the descriptors of connections without a session, of control channels and of relays' pipes.
    public init(
        token: [UInt8] = [], mostQueues: Int = Int(GuestOffer.maximumQueues),
        budget: DescriptorBudget = DescriptorBudget(limit: 1 << 30), reception: any AgentReception
    ) throws(SystemError) {
        thread = try LoopThread("ringway-agents", stackBytes: 256 << 10)
        state = LoopConfined(nil, to: thread)
        try thread.start()
        thread.post { [self] loop in
            state.value = HostLoop(
                on: loop, token: token, mostQueues: mostQueues, budget: budget, reception: reception, host: self)
        }
    }

    /// The listen backlog. It is long, because an agent may open many connections at once.
    public static var backlog: Int32 { 4_096 }

    /// Timeout of a synchronous call to the agents' thread, in milliseconds.
    private static var timeout: Int32 { 2_000 }

    // MARK: From any thread

    /// Accepts agents at an endpoint.
    public func listen(on endpoint: AgentEndpoint) throws(SystemError) {
        switch endpoint {
        case .hybrid(let path, let port):
            post { $0.connect(MonitorSocket(path: path, port: port)) }
        case .unix(let path): adopt(listener: try NamedSocket.listen(path, backlog: Self.backlog))
        case .vsock(let port, let peers):
            guard let listener = OwnedDescriptor(result: ringway_vsock_open()) else {
                throw SystemError("cannot make a socket for vsock:\(port)")
            }
            guard ringway_vsock_listen(listener.rawValue, port, Self.backlog) == 0 else {
                throw SystemError("cannot listen on vsock:\(port)")
            }
            adopt(listener: listener, peers: peers, own: ringway_vsock_local())
        }
    }

    /// Accepts agents on a listening socket.
    public func adopt(listener: consuming OwnedDescriptor) { adopt(listener: listener, peers: nil, own: -1) }

    private func adopt(listener: consuming OwnedDescriptor, peers: VsockPeers?, own: Int64) {
        _ = ringway_set_nonblocking(listener.rawValue)
        post(adopting: listener) { host, descriptor in
            host.watch(AgentListener(descriptor, peers: peers, own: own))
        }
    }

    /// Ends all sessions and the thread, and closes adopted sockets.
    public func stop() {
        thread.post { [state] _ in
            state.value?.end()
            state.value = nil
        }
        thread.stop()
    }

    /// Runs a closure on the agents' thread. After `stop`, returns false and does not run it.
    @discardableResult
    func post(_ work: @escaping @Sendable (HostLoop) -> Void) -> Bool {
        thread.post { [state] _ in
            if let host = state.value { work(host) }
        }
    }

    /// Runs a closure on the agents' thread and passes it a descriptor. After `stop`, closes the descriptor instead.
    func post(
        adopting descriptor: consuming OwnedDescriptor, _ work: @escaping @Sendable (HostLoop, Int32) -> Void
    ) {
        let number = descriptor.take()
        let isAccepted = thread.post { [state] _ in
            if let host = state.value { work(host, number) } else { close(number) }
        }
        if !isAccepted { close(number) }
    }

    /// Runs a closure on the agents' thread and waits for it, with a timeout, because that thread may itself be
    /// waiting for the caller.
    func perform(_ work: @escaping @Sendable (HostLoop) -> Void) {
        thread.perform(timeout: Self.timeout) { [state] _ in
            if let host = state.value { work(host) }
        }
    }
}

/// Where agents connect.
public enum AgentEndpoint: Hashable, Sendable {
    /// A unix socket for agents. Behind the vsock of Firecracker or cloud-hypervisor its path is `PATH_PORT`: the path
    /// of the monitor's own socket, an underscore and the port. The monitor connects to it for a guest that dials this
    /// vsock port.
    case unix(path: String)
    /// A vsock port for agents on the machines that `VsockPeers` admits.
    case vsock(port: UInt32, VsockPeers)
    /// The monitor's own socket, through which the host connects to the vsock port on which an agent listens.
    case hybrid(path: String, port: UInt32)
}

/// The policy for agents. Called on the agents' thread, which waits for the result.
public protocol AgentReception: Sendable {
    /// Admits an agent whose frame channels are all connected, or refuses it.
    ///
    /// - Parameter queues: the guest's frame channels, in the format of `AgentFrame`, non-blocking; adopted unless this
    ///   throws.
    /// - Returns: the answer to the agent's hello.
    func admit(_ agent: AgentGuest, queues: [Int32]) throws(Refusal) -> Welcome

    /// Called when a machine that may not connect was refused. `machine` is its CID; -1 if it has none.
    func turnAway(_ machine: Int64)

    /// The share of descriptors for an admitted agent's flows.
    func descriptors(of agent: AgentGuest) -> DescriptorShare

    /// Called when the session of an admitted agent has ended.
    func didDisconnect(_ agent: AgentGuest, because reason: String)

    /// Takes a client's socket and an agent's channel, and relays between the client's bytes and the channel's
    /// records. If it returns false, it has taken neither of the two, and the agents' own thread relays.
    func join(client: Int32, channel: Int32, _ ends: AgentConnection, for agent: AgentGuest) -> Bool

    /// The path of a host socket that the guest may use by this name; `nil` if none.
    func hostSocket(named name: String, for agent: AgentGuest) -> String?

    /// Grants a host port to an agent, or refuses it.
    ///
    /// - Parameter count: the number of ports that the agent has already.
    /// - Returns: the request with the granted address.
    func approve(
        _ request: PublishRequest, for agent: AgentGuest, holding count: Int
    ) throws(Refusal) -> PublishRequest

    /// Called when a port is open for an agent. `granted` has the actual address and port.
    func publish(_ granted: PublishRequest, for agent: AgentGuest)

    /// Called when a port was refused or could not be opened. The agent may request it again with the same number.
    func refuse(_ request: PublishRequest, because refusal: Refusal, for agent: AgentGuest)

    /// Called when the host cannot accept clients on the socket of a forward (`AgentGuest.forward`), and has closed
    /// the socket.
    func refuseForward(_ number: UInt32, because refusal: Refusal, for agent: AgentGuest)

    /// Called when an agent withdraws a request, whether granted or not.
    func unpublish(_ number: UInt32, for agent: AgentGuest)

    /// Called with the ports on which programs in the guest have started or stopped listening.
    func report(_ changes: [PortReport.Change], of agent: AgentGuest)
}

extension AgentReception {
    /// By default ignored.
    public func turnAway(_ machine: Int64) {}
    /// By default without a limit.
    public func descriptors(of agent: AgentGuest) -> DescriptorShare { .unbounded() }
    /// By default false, so that the agents' own thread relays.
    public func join(client: Int32, channel: Int32, _ ends: AgentConnection, for agent: AgentGuest) -> Bool { false }
    /// By default no host socket is accessible to guests.
    public func hostSocket(named name: String, for agent: AgentGuest) -> String? { nil }
    /// By default no port is granted.
    public func approve(
        _ request: PublishRequest, for agent: AgentGuest, holding count: Int
    ) throws(Refusal) -> PublishRequest {
        throw Refusal(errorNumber: AgentError.forbidden, text: "agents may publish no ports")
    }
    /// By default not recorded.
    public func publish(_ granted: PublishRequest, for agent: AgentGuest) {}
    /// By default not recorded.
    public func refuse(_ request: PublishRequest, because refusal: Refusal, for agent: AgentGuest) {}
    /// By default not recorded.
    public func refuseForward(_ number: UInt32, because refusal: Refusal, for agent: AgentGuest) {}
    /// By default not recorded.
    public func unpublish(_ number: UInt32, for agent: AgentGuest) {}
    /// By default ignored.
    public func report(_ changes: [PortReport.Change], of agent: AgentGuest) {}
}
