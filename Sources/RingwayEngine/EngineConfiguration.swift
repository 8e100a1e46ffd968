public import RingwayCapture
internal import RingwayReactor
internal import RingwayRing
public import RingwayStack
public import RingwayStorage
public import RingwayWire
internal import Synchronization

/// What an engine is made from; fixed for its life.
public struct EngineConfiguration: Sendable {
    /// The stack's part; `shard` is filled in for each.
    public var stack: Stack.Configuration
    /// What frames are captured by from the start; `Engine.setCapture` changes it.
    public var capture: CaptureSession?
    /// One descriptor for each shard, adopted, that gives sockets inside the guest; empty for none.
    public var guestSockets: [Int32] = []
    /// Whether the kernel's multishot read may be used; false takes the path of kernels before 6.7.
    public var usesMultishotRead = true
    /// Who is asked which addresses the guest may send from, when the network has a switch: its guest is held to its
    /// ethernet address and to these, and may have neighbours. Without it there are no guests to be protected from it.
    public var claims: (any AddressClaims)?
    /// Neighbours that a guest may have, and IPv6 addresses that it may send from.
    public var neighborLimit = 64
    public var addressLimit = 16
    /// Whether a connection from one of the guest's privileged ports, below 1024, comes from the same port of the host where
    /// that is free and may be had.
    public var keepsPrivilegedPorts = false
    /// The guest's share of the process's descriptors; `nil` for an engine that has the process for itself.
    public var descriptors: DescriptorShare?
    /// Asked when an engine has all of its memory and its threads, before any of them runs: where too little is left it
    /// does not start.
    public var hasMemoryLeft: @Sendable () -> Bool = { true }
    /// Nanoseconds for which a shard may look for work before it sleeps, where that has paid off; zero never does.
    public var busyPoll: UInt64 = 0

    public init(stack: Stack.Configuration) { self.stack = stack }
}

/// The register of a network's IPv6 addresses, as a shard sees it.
public protocol AddressClaims: Sendable {
    /// Whether the engine's guest may send from the address; asked once for each, from any of the engine's threads.
    func claim(_ address: IPv6Address) -> Bool
    /// The guest has not used the address for a while, and others may have it.
    func release(_ address: IPv6Address)
    /// The guest has declined its IPv4 address; the one that it is to have instead, or `nil` when there is no other.
    func replace(_ address: IPv4Address) -> IPv4Address?
    /// The guest has sent from an address that it does not have. Told at most once a second, and once a minute of the same
    /// address.
    func refused(_ address: IPAddress)
}

/// What an engine tells its owner, from any of its threads.
public enum EngineEvent: Sendable {
    /// The link is gone: the guest, its namespace or its device. Zero where a stream was closed in good order.
    case linkLost(errno: Int32)
    /// The guest sent a length that no frame has, after which a stream cannot be read: the link is of no more use.
    case linkMalformed(length: Int)
    /// A shard's io_uring failed; the shard has stopped.
    case ringFailed(errno: Int32)
    /// The guest has shown an address, or one that it should have does not answer: `target` may be another.
    case addressesChanged
}

/// What the shards of one engine share: all of it fixed before they start, or safe from any thread.
final class EngineShared: Sendable {
    let configuration: EngineConfiguration
    let features: KernelFeatures
    let network: ShardNetwork
    let nameService: (any NameService)?
    let commands: [CommandQueue]
    let addresses: GuestAddresses
    /// What sockets of flows are counted by.
    let descriptors: DescriptorShare
    /// Where frames of neighbours arrive, read by the first shard; -1 without a switch.
    let inbox: Int32
    /// The guest's number where processor time is shared out.
    let turnMember = TurnShares.ofProcess.join()
    private let handler: @Sendable (EngineEvent) -> Void
    private let isIPv6Known = Atomic(false)

    init(
        configuration: EngineConfiguration, features: KernelFeatures, network: ShardNetwork, inbox: Int32,
        nameService: (any NameService)?, handler: @escaping @Sendable (EngineEvent) -> Void
    ) {
        self.configuration = configuration
        self.features = features
        self.network = network
        self.inbox = inbox
        self.nameService = nameService
        self.handler = handler
        commands = (0..<network.count).map { _ in CommandQueue() }
        addresses = GuestAddresses(configuration.stack)
        descriptors = configuration.descriptors ?? .unbounded()
    }

    deinit { network.deallocate() }

    func report(_ event: EngineEvent) { handler(event) }

    /// Has all shards but one carry out a command.
    func tellOthers(_ command: ShardCommand, but index: Int) {
        for other in 0..<network.count where other != index {
            commands[other].append(command)
            network.doorbell(of: other).wake()
        }
    }

    /// The guest has shown that it has an address.
    func guestShown(_ address: IPAddress, now: UInt64) {
        if addresses.shown(address, now: now) { report(.addressesChanged) }
    }

    /// An address of the guest's does not answer.
    func guestSilent(_ address: IPAddress, now: UInt64) {
        if addresses.silent(address, now: now) { report(.addressesChanged) }
    }

    /// Resets a client of a published port.
    func turnAway(_ client: PortClient) {
        Endpoint.close(client.descriptor, reset: true)
        descriptors.release()
    }

    /// Closes what was on its way to a shard that had stopped. No thread but the caller's is left.
    func closeUndelivered() {
        for pair in 0..<network.count * network.count {
            let mailbox = network.mailbox(to: pair / network.count, from: pair % network.count)
            while let message = mailbox.take() {
                guard message.kind == .accepted else { continue }
                turnAway(message.client)
            }
        }
        for queue in commands { queue.close() }
    }

    /// Whether the guest has shown an IPv6 address of the network.
    var hasIPv6: Bool { isIPv6Known.load(ordering: .relaxed) }
    func noteIPv6() { isIPv6Known.store(true, ordering: .relaxed) }
}
