public import RingwayCapture
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
    /// One descriptor for each queue, adopted, that gives sockets inside the guest; empty for none.
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
    /// Asked when an engine has all of its memory, before any frame is read: where too little is left it does not start.
    public var hasMemoryLeft: @Sendable () -> Bool = { true }
    /// Nanoseconds for which a shard of the engine's own may look for work before it sleeps, where that has paid off; zero
    /// never does.
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
    /// A shard's io_uring failed; the shard has stopped, and with it all of its guests.
    case ringFailed(errno: Int32)
    /// The guest has shown an address, or one that it should have does not answer: `target` may be another.
    case addressesChanged
}

/// What the parts of one guest share, each on a shard: all of it fixed before they start, or safe from any thread.
final class EngineShared: Sendable {
    let configuration: EngineConfiguration
    let features: KernelFeatures
    let set: ShardSet
    let nameService: (any NameService)?
    /// By part.
    let commands: [CommandQueue]
    let addresses: GuestAddresses
    /// What sockets of flows are counted by.
    let descriptors: DescriptorShare
    /// Parts of the guest, one for each queue of its link.
    let parts: Int
    /// Where each part is, in bare memory: reading an array counts a reference to it, and all shards would write that count.
    /// Nothing is written after `init`.
    nonisolated(unsafe) private let places: UnsafeMutablePointer<GuestPlace>
    private let handler: @Sendable (EngineEvent) -> Void
    private let isIPv6Known = Atomic(false)
    /// Parts that have begun to end.
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

    /// Has a part carry out a command.
    func send(_ command: ShardCommand, to part: Int) {
        commands[part].append(command)
        call(part)
    }

    /// Has a part look at its commands.
    func call(_ part: Int) {
        let place = places[part]
        set.call(.commands(place), Int(place.shard))
    }

    /// Has all parts but one carry out a command.
    func tellOthers(_ command: ShardCommand, but part: Int) {
        for other in 0..<parts where other != part { send(command, to: other) }
    }

    /// A part has begun to end, and posts nothing any more.
    func noteEnding() {
        guard ending.add(1, ordering: .acquiringAndReleasing).newValue == parts else { return }
        for part in 0..<parts { call(part) }
    }

    /// Whether no part posts anything any more.
    var areAllEnding: Bool { ending.load(ordering: .acquiring) == parts }

    // MARK: The guest

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

    /// Whether the guest has shown an IPv6 address of the network.
    var hasIPv6: Bool { isIPv6Known.load(ordering: .relaxed) }
    func noteIPv6() { isIPv6Known.store(true, ordering: .relaxed) }
}
