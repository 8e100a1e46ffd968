public import RingwayCapture
public import RingwayModel
internal import RingwayReactor
internal import RingwayRing
public import RingwayStack
public import RingwayStorage
internal import RingwayWire
internal import Synchronization

/// The configuration with which an engine is created.
public struct EngineConfiguration: Sendable {
    /// The stack's configuration. The engine sets `shard`, `shards` and `segmentsUDP` itself.
    public var stack: Stack.Configuration
    /// The initial capture; `Engine.setCapture` changes it.
    public var capture: CaptureSession?
    /// For each queue, a socket over which the engine receives sockets that were created in the guest's network
    /// namespace (`SocketSupply`). The engine takes ownership unless `Engine.init` throws. Empty if the namespace is
    /// not accessible.
    public var guestSockets: [Int32] = []
    /// Whether the kernel's multishot read may be used. Tests set it to false to run the code for kernels before 6.7.
    public var usesMultishotRead = true
    /// The registry of the IP addresses that the guest may send from. `nil` if the network does not check source
    /// addresses; it then has only one guest.
    public var claims: (any AddressClaims)?
    /// The most neighbours (other guests of the network), and the most IPv6 addresses from which the guest may send.
    public var neighborLimit = 64
    public var addressLimit = 16
    /// Whether the host socket of a connection from a privileged port of the guest (below 1024) is bound to the same
    /// port, if that port is free and permitted.
    public var keepsPrivilegedPorts = false
    /// The guest's share of the process's descriptors; `nil` for no limit.
    public var descriptors: DescriptorShare?
    /// Called when the engine has allocated the memory of its parts, before any frame is read. If the result is
    /// false, `Engine.init` throws `ENOMEM`.
    public var hasMemoryLeft: @Sendable () -> Bool = { true }
    /// The most nanoseconds for which a shard polls before it sleeps, when polling has recently found work; zero
    /// disables polling. Used only for shards that the engine creates.
    public var busyPoll: UInt64 = 0

    public init(stack: Stack.Configuration) { self.stack = stack }
}

/// The network's registry of addresses, as used by the shards of one guest.
public protocol AddressClaims: Sendable {
    /// Reserves the address for the guest, unless another guest has it. Returns whether the guest may send from the
    /// address. Each part calls this when it first sees the address, and again for every frame after a refusal.
    /// Called from any of the shards' threads.
    func claim(_ address: IPv6Address) -> Bool
    /// Called when a part removes the address from its full table, because no frame from the address has come for a
    /// while. When every part that has claimed the address has released it, other guests may claim it.
    func release(_ address: IPv6Address)
    /// Called when the guest has declined its IPv4 address. Returns the address that replaces it, or `nil` if there
    /// is none.
    func replace(_ address: IPv4Address) -> IPv4Address?
    /// Called when the guest has sent from an IPv4 address that is not its own. Each part calls this at most once a
    /// second, and at most once a minute while the address is the same.
    func refused(_ address: IPAddress)
}

/// An event that an engine passes to its handler, on the thread of one of its shards.
public enum EngineEvent: Sendable {
    /// The link is lost, normally because the guest, its namespace or its device no longer exists. `errno` is the
    /// error of a read or a send; it is zero if the peer closed a stream without an error.
    case linkLost(errno: Int32)
    /// The guest sent an invalid frame length on a stream. The start of the next frame is then unknown, so the link
    /// is lost.
    case linkMalformed(length: Int)
    /// A shard's io_uring failed; the shard has stopped, and with it all of its guests.
    case ringFailed(errno: Int32)
    /// The guest has proved that it has an address, has not answered at an address, or has declined its IPv4 address
    /// and got another one. The result of `Engine.target(ipv4:)` may have changed.
    case addressesChanged
}

/// State shared by the parts of one guest, which run on different shards. Each field is constant after `init`, or
/// safe to use from any thread.
final class EngineShared: Sendable {
    let configuration: EngineConfiguration
    let features: KernelFeatures
    let set: ShardSet
    let nameService: (any NameService)?
    /// Indexed by part.
    let commands: [CommandQueue]
    let addresses: GuestAddresses
    /// The guest's share of the process's descriptors, in which the sockets of its flows are counted.
    let descriptors: DescriptorShare
    /// The number of the guest's parts, one for each queue of its link.
    let parts: Int
    /// The location of each part, in raw memory: reading an array would make all shards write its reference count.
    /// Nothing is written after `init`.
    nonisolated(unsafe) private let places: UnsafeMutablePointer<GuestPlace>
    private let handler: @Sendable (EngineEvent) -> Void
    private let isIPv6Known = Atomic(false)
    /// The number of parts that have begun to end.
    private let ending = Atomic(0)

    init(
        configuration: EngineConfiguration, set: ShardSet, places: [GuestPlace], nameService: (any NameService)?,
        handler: @escaping @Sendable (EngineEvent) -> Void
    ) {
        self.configuration = configuration
        features = set.features
        self.set = set
        parts = places.count
        self.places = .allocate(capacity: places.count)
        for (part, place) in places.enumerated() { (self.places + part).initialize(to: place) }
        self.nameService = nameService
        self.handler = handler
        commands = places.map { _ in CommandQueue() }
        addresses = GuestAddresses(configuration.stack)
        descriptors = configuration.descriptors ?? .unbounded()
    }

    deinit { places.deallocate() }

    func report(_ event: EngineEvent) { handler(event) }

    // MARK: Parts

    @inline(__always)
    func place(of part: Int) -> GuestPlace {
        precondition(part < parts)
        return places[part]
    }

    /// The part of this guest to which the neighbour's part at `sender` posts frames. For one sender the result is
    /// always the same, so that the frames stay in order. A part on the sender's own shard is preferred.
    func place(nearest sender: GuestPlace) -> GuestPlace {
        for part in 0..<parts where places[part].shard == sender.shard { return places[part] }
        return places[Int(sender.shard) % parts]
    }

    /// Sends a command to a part.
    func send(_ command: ShardCommand, to part: Int) {
        commands[part].append(command)
        call(part)
    }

    /// Wakes a part to run its commands.
    func call(_ part: Int) {
        let place = places[part]
        set.call(.commands(place), Int(place.shard))
    }

    /// Sends a command to all parts but one.
    func tellOthers(_ command: ShardCommand, but part: Int) {
        for other in 0..<parts where other != part { send(command, to: other) }
    }

    /// Called by a part that has begun to end and will post no more mail. The last call wakes all parts, because each
    /// waits until no other part can post mail to it.
    func noteEnding() {
        guard ending.add(1, ordering: .acquiringAndReleasing).newValue == parts else { return }
        for part in 0..<parts { call(part) }
    }

    /// Whether all parts have begun to end, so that none posts mail any more.
    var areAllEnding: Bool { ending.load(ordering: .acquiring) == parts }

    // MARK: The guest

    /// Records that the guest has proved to have an address.
    func guestShown(_ address: IPAddress, now: UInt64) {
        if addresses.shown(address, now: now) { report(.addressesChanged) }
    }

    /// Records that an address of the guest does not answer.
    func guestSilent(_ address: IPAddress, now: UInt64) {
        if addresses.silent(address, now: now) { report(.addressesChanged) }
    }

    /// Resets a client of a published port and releases its descriptor.
    func turnAway(_ client: PortClient) {
        Endpoint.close(client.descriptor, reset: true)
        descriptors.release()
    }

    /// Whether the guest has an IPv6 address of the network, or is about to configure one (`IPv6Discovery`).
    var hasIPv6: Bool { isIPv6Known.load(ordering: .relaxed) }
    func noteIPv6() { isIPv6Known.store(true, ordering: .relaxed) }
}
