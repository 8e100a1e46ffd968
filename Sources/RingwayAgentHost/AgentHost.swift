internal import CRingway
internal import Glibc
public import RingwayAgentProtocol
public import RingwayConversation
public import RingwayStorage
internal import Synchronization

/// The host's side of the agents: it waits for them, hears their hellos, brings their queues together and dials through
/// them.
///
/// One thread does all of it. What agents are admitted to, and who moves the octets of their connections, is for the
/// reception to say.
public final class AgentHost: Sendable {
    private struct Inbox {
        var work: [@Sendable (HostLoop) -> Void] = []
        var isStopping = false
    }

    private let inbox = Mutex(Inbox())
    private let wakeUp: WakeUp
    private let threads = ThreadList()

    /// Starts the thread. Nobody is waited for yet.
    ///
    /// - Parameters:
    ///   - token: what agents have to show; empty where none is asked for.
    ///   - mostQueues: queues that an agent's guest gets; the first ones of an agent that offers more.
    ///   - budget: by which connections are counted that are no agent's yet.
    public init(
        token: [UInt8] = [], mostQueues: Int = Int(GuestOffer.maximumQueues),
        budget: DescriptorBudget = DescriptorBudget(limit: 1 << 30), reception: any AgentReception
    ) throws(AgentFailure) {
        wakeUp = try WakeUp()
        let loop = try HostLoop(
            token: token, mostQueues: mostQueues, budget: budget, reception: reception, wakeUp: wakeUp)
        // The loop is the thread's from here on.
        nonisolated(unsafe) let unshared = loop
        threads.add(
            try AgentThread("ringway-agents") { [self] in
                unshared.run(host: self) { self.take() }
            })
    }

    /// Conversations that the kernel should keep for us: an agent may open many at once.
    public static var backlog: Int32 { 4_096 }

    /// Milliseconds that somebody waits for the thread.
    private static var patience: Int32 { 2_000 }

    // MARK: From any thread

    /// Waits for agents at an endpoint from now on.
    public func listen(on endpoint: AgentEndpoint) throws(AgentFailure) {
        switch endpoint {
        case .hybrid(let path, let port):
            post { $0.connect(MonitorSocket(path: path, port: port)) }
        case .unix(let path): adopt(listener: try EndpointSocket.listen(path: path))
        case .vsock(let port, let peers):
            let listener = try EndpointSocket.listen(port: port)
            _ = ringway_set_nonblocking(listener)
            let own = ringway_vsock_local()
            post { $0.watch(AgentListener(listener, peers: peers, own: own)) }
        }
    }

    /// Waits for agents at a socket that listens already, which is adopted.
    public func adopt(listener: Int32) {
        _ = ringway_set_nonblocking(listener)
        post { $0.watch(AgentListener(listener)) }
    }

    /// Ends every agent's session and the thread, and closes what was adopted.
    public func stop() {
        inbox.withLock { $0.isStopping = true }
        wakeUp.call()
        threads.join()
    }

    /// Has the thread do something. Nothing is done after the end.
    func post(_ work: @escaping @Sendable (HostLoop) -> Void) {
        inbox.withLock { $0.work.append(work) }
        wakeUp.call()
    }

    /// The same, and waits until it is done, though not for long: the thread may itself wait for whoever asks. Not to be
    /// called on the agents' thread.
    func perform(_ work: @escaping @Sendable (HostLoop) -> Void) {
        guard !inbox.withLock({ $0.isStopping }) else { return }
        let done: WakeUp
        do throws(AgentFailure) { done = try WakeUp() } catch { return post(work) }
        post { loop in
            work(loop)
            done.call()
        }
        var entry = pollfd(fd: done.descriptor, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, Self.patience)
    }

    private func take() -> (work: [@Sendable (HostLoop) -> Void], isStopping: Bool) {
        wakeUp.take()
        return inbox.withLock { inbox in
            defer { inbox.work = [] }
            return (inbox.work, inbox.isStopping)
        }
    }
}

/// Where agents are met.
public enum AgentEndpoint: Hashable, Sendable {
    /// A unix socket that agents connect to. Behind Firecracker's and cloud-hypervisor's vsock it is the one for a port
    /// of the host, `PATH_PORT`, to which the monitor connects for the guest.
    case unix(path: String)
    /// A port of AF_VSOCK that agents of these machines connect to.
    case vsock(port: UInt32, VsockPeers)
    /// The monitor's own socket, by which the host connects to the port on which an agent waits.
    case hybrid(path: String, port: UInt32)
}

/// Who decides about agents. Called on the agents' thread, which waits meanwhile.
public protocol AgentReception: Sendable {
    /// Lets an agent in, all of whose conversations are there, or says why not.
    ///
    /// - Parameter queues: frames as `AgentFrame` says, non-blocking; adopted unless this throws.
    /// - Returns: what the agent is told.
    func admit(_ agent: AgentGuest, queues: [Int32]) throws(Refusal) -> Welcome

    /// A machine has connected that may not.
    func turnAway(_ machine: Int64)

    /// The share of descriptors that an agent's flows are counted by, once it is admitted.
    func descriptors(of agent: AgentGuest) -> DescriptorShare

    /// An agent that had been admitted is gone.
    func depart(_ agent: AgentGuest, because reason: String)

    /// Moves octets between a plain socket and a conversation with records, both adopted. False leaves it to the agents'
    /// own thread.
    func join(client: Int32, conversation: Int32, _ ends: AgentConnection, for agent: AgentGuest) -> Bool

    /// The path of a socket of the host's that the guest may use under a name; `nil` when it may not.
    func hostSocket(named name: String, for agent: AgentGuest) -> String?

    /// Lets an agent have a port of the host, or says why not.
    ///
    /// - Parameter count: how many it has already.
    /// - Returns: the request with the address where the port is had.
    func approve(
        _ request: PublishRequest, for agent: AgentGuest, holding count: Int
    ) throws(Refusal) -> PublishRequest

    /// A port is had for an agent: the request with the address and the port where it is.
    func publish(_ granted: PublishRequest, for agent: AgentGuest)

    /// A port could not be had; the agent may ask again, by the same number.
    func refuse(_ request: PublishRequest, because refusal: Refusal, for agent: AgentGuest)

    /// An agent takes a request back, whatever came of it.
    func unpublish(_ number: UInt32, for agent: AgentGuest)

    /// Ports that have come to be listened on in the guest, or are so no more.
    func report(_ changes: [PortReport.Change], of agent: AgentGuest)
}

extension AgentReception {
    /// It is turned away without a word.
    public func turnAway(_ machine: Int64) {}
    /// As many as it likes.
    public func descriptors(of agent: AgentGuest) -> DescriptorShare { .unbounded() }
    /// Nobody else moves octets.
    public func join(client: Int32, conversation: Int32, _ ends: AgentConnection, for agent: AgentGuest) -> Bool {
        false
    }
    /// No socket of the host's is open to guests.
    public func hostSocket(named name: String, for agent: AgentGuest) -> String? { nil }
    /// No port may be had.
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
    /// Nobody wants to know.
    public func report(_ changes: [PortReport.Change], of agent: AgentGuest) {}
}
