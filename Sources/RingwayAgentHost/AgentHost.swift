internal import CRingway
internal import Glibc
public import RingwayAgentProtocol
public import RingwayStorage
public import RingwaySystem

/// The host's side of the agents: it accepts their connections, checks their hellos, brings their queues together and
/// dials through them.
///
/// ## Theory of operation
///
/// Everything happens on one event loop (`HostLoop`), on a thread of its own and not on the network's control loop:
/// where agents carry no frames it relays their connections' bytes, which must not wait for what the control loop does
/// (nor for an embedder's handlers of events, which run there), and the two wait for each other's answers.
///
///     connection ─► AgentListener ─► PendingChannel ─hello─► AgentSession     control
///                   MonitorSocket ─┘                       ├► its queues      frames
///                                                          ├► HostStream      stream, kept ready
///                                                          └► joinHostSocket  host socket
///
/// An `AgentSession` lives as long as its control channel. When all of its queues are there the reception admits it,
/// and takes the queues. A client of a forward (`StreamForward`, `DatagramForward`) takes a ready stream, which the
/// agent is told to connect; then the reception may take both sockets (a shard relays them), or a `RelayedConnection`
/// moves the bytes here.
public final class AgentHost: Sendable {
    private let thread: LoopThread
    /// There from the thread's first work to its last.
    private let state: LoopConfined<HostLoop?>

    /// Starts the thread. Nothing is listened on yet.
    ///
    /// - Parameters:
    ///   - token: what agents have to send; empty where none is asked for.
    ///   - mostQueues: queues that an agent's guest gets; the first ones of an agent that offers more.
    ///   - budget: counts the connections that are no agent's yet.
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

    /// Connections that the kernel should queue for us: an agent may open many at once.
    public static var backlog: Int32 { 4_096 }

    /// Timeout of a synchronous call to the agents' thread, in milliseconds.
    private static var timeout: Int32 { 2_000 }

    // MARK: From any thread

    /// Accepts agents at an endpoint from now on.
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

    /// Accepts agents at a socket that listens already.
    public func adopt(listener: consuming OwnedDescriptor) { adopt(listener: listener, peers: nil, own: -1) }

    private func adopt(listener: consuming OwnedDescriptor, peers: VsockPeers?, own: Int64) {
        _ = ringway_set_nonblocking(listener.rawValue)
        post(adopting: listener) { host, descriptor in
            host.watch(AgentListener(descriptor, peers: peers, own: own))
        }
    }

    /// Ends every agent's session and the thread, and closes what was adopted.
    public func stop() {
        thread.post { [state] _ in
            state.value?.end()
            state.value = nil
        }
        thread.stop()
    }

    /// Has the thread do something. Nothing is done after the end, and the result is false.
    @discardableResult
    func post(_ work: @escaping @Sendable (HostLoop) -> Void) -> Bool {
        thread.post { [state] _ in
            if let host = state.value { work(host) }
        }
    }

    /// The same with a descriptor, which is closed where nothing is done.
    func post(
        adopting descriptor: consuming OwnedDescriptor, _ work: @escaping @Sendable (HostLoop, Int32) -> Void
    ) {
        let number = descriptor.take()
        let isAccepted = thread.post { [state] _ in
            if let host = state.value { work(host, number) } else { close(number) }
        }
        if !isAccepted { close(number) }
    }

    /// Has the thread do something and waits until it is done, though not for long: the thread may itself wait for the
    /// caller.
    func perform(_ work: @escaping @Sendable (HostLoop) -> Void) {
        thread.perform(timeout: Self.timeout) { [state] _ in
            if let host = state.value { work(host) }
        }
    }
}

/// Where agents connect.
public enum AgentEndpoint: Hashable, Sendable {
    /// A unix socket that agents connect to. Behind Firecracker's and cloud-hypervisor's vsock it is the one for a port
    /// of the host, `PATH_PORT`, to which the monitor connects for the guest.
    case unix(path: String)
    /// A port of AF_VSOCK that agents of these machines connect to.
    case vsock(port: UInt32, VsockPeers)
    /// The monitor's own socket, by which the host connects to the port on which an agent waits.
    case hybrid(path: String, port: UInt32)
}

/// What decides about agents. Called on the agents' thread, which waits meanwhile.
public protocol AgentReception: Sendable {
    /// Admits an agent, all of whose channels are there, or refuses it.
    ///
    /// - Parameter queues: frames as `AgentFrame` says, non-blocking; adopted unless this throws.
    /// - Returns: the welcome that the agent is sent.
    func admit(_ agent: AgentGuest, queues: [Int32]) throws(Refusal) -> Welcome

    /// A machine has connected that may not.
    func turnAway(_ machine: Int64)

    /// The share of descriptors that counts an agent's flows, once it is admitted.
    func descriptors(of agent: AgentGuest) -> DescriptorShare

    /// An agent that had been admitted is gone.
    func didDisconnect(_ agent: AgentGuest, because reason: String)

    /// Relays bytes between a plain socket and a channel with records, both adopted. False leaves it to the agents' own
    /// thread.
    func join(client: Int32, channel: Int32, _ ends: AgentConnection, for agent: AgentGuest) -> Bool

    /// The path of a socket of the host's that the guest may use under a name; `nil` when it may not.
    func hostSocket(named name: String, for agent: AgentGuest) -> String?

    /// Grants an agent a port of the host, or refuses it.
    ///
    /// - Parameter count: how many it has already.
    /// - Returns: the request with the address that is granted.
    func approve(
        _ request: PublishRequest, for agent: AgentGuest, holding count: Int
    ) throws(Refusal) -> PublishRequest

    /// A port is open for an agent: the request with the address and the port where it is.
    func publish(_ granted: PublishRequest, for agent: AgentGuest)

    /// A port could not be opened; the agent may ask again, by the same number.
    func refuse(_ request: PublishRequest, because refusal: Refusal, for agent: AgentGuest)

    /// An agent takes a request back, whatever came of it.
    func unpublish(_ number: UInt32, for agent: AgentGuest)

    /// Ports on which programs in the guest have begun to listen, or listen no more.
    func report(_ changes: [PortReport.Change], of agent: AgentGuest)
}

extension AgentReception {
    /// Nothing is done.
    public func turnAway(_ machine: Int64) {}
    /// As many as it likes.
    public func descriptors(of agent: AgentGuest) -> DescriptorShare { .unbounded() }
    /// The agents' own thread relays.
    public func join(client: Int32, channel: Int32, _ ends: AgentConnection, for agent: AgentGuest) -> Bool { false }
    /// No socket of the host's is open to guests.
    public func hostSocket(named name: String, for agent: AgentGuest) -> String? { nil }
    /// No port is granted.
    public func approve(
        _ request: PublishRequest, for agent: AgentGuest, holding count: Int
    ) throws(Refusal) -> PublishRequest {
        throw Refusal(errorNumber: AgentError.forbidden, text: "agents may publish no ports")
    }
    /// No list is kept of ports.
    public func publish(_ granted: PublishRequest, for agent: AgentGuest) {}
    /// No list is kept of ports.
    public func refuse(_ request: PublishRequest, because refusal: Refusal, for agent: AgentGuest) {}
    /// No list is kept of ports.
    public func unpublish(_ number: UInt32, for agent: AgentGuest) {}
    /// Reports are dropped.
    public func report(_ changes: [PortReport.Change], of agent: AgentGuest) {}
}
