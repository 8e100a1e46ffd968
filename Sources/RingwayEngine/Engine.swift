internal import CRingway
internal import Glibc
public import RingwayCapture
public import RingwayLinks
internal import RingwayReactor
public import RingwayRing
public import RingwayStack
public import RingwayStorage
public import RingwaySystem
public import RingwayWire
internal import Synchronization

/// Shards: their threads, what they share and how the control plane reaches them. The only place that knows stack,
/// reactor and links all together.
public final class Engine: Sendable {
    let shared: EngineShared
    private let counters: [Counters]
    private let space: BufferSpace
    private let threads: Mutex<[pthread_t]>
    /// Where neighbours put frames for the guest; -1 without a switch.
    private let inbox: Int32

    /// Starts one shard for each queue of the link.
    ///
    /// - Parameters:
    ///   - link: adopted; where its queues have virtio-net headers, these have 12 bytes.
    ///   - handler: called from the engine's threads.
    public init(
        _ configuration: EngineConfiguration, link: Link, features: KernelFeatures,
        nameService: (any NameService)?, handler: @escaping @Sendable (EngineEvent) -> Void
    ) throws(RingError) {
        let queues = link.queues
        precondition(!queues.isEmpty && queues.count <= BufferSpace.maximumShards)
        precondition(
            BufferSpace.largeSize >= Frame.maximumLength && BufferSpace.largeSize >= Stack.headroom + 65_535,
            "a large buffer holds the longest frame")
        let limits = configuration.stack.limits
        var configuration = configuration
        configuration.stack.shards = queues.count
        configuration.stack.segmentsUDP = link.takesUDPSuperFrames || !link.framing.hasVirtioNetHeader
        let ends = configuration.claims == nil ? (reading: -1, writing: -1) : try Self.makeInbox()
        let network: ShardNetwork
        do throws(RingError) {
            network = try ShardNetwork(count: queues.count, buffers: limits.largeBuffers)
        } catch {
            Self.close(ends)
            throw error
        }
        do throws(RingError) {
            space = try RingError.orMemory { () throws(MemoryFailure) -> BufferSpace in
                try BufferSpace(
                    shards: queues.count, largeCount: limits.largeBuffers, smallCount: limits.smallBuffers)
            }
        } catch {
            network.deallocate()
            Self.close(ends)
            throw error
        }
        counters = queues.map { _ in Counters() }
        inbox = ends.writing
        shared = EngineShared(
            configuration: configuration, features: features, network: network, inbox: ends.reading,
            nameService: nameService, handler: handler)
        threads = Mutex([])
        do throws(RingError) {
            let running = try ShardThread.startAll(
                queues, shared: shared, framing: link.framing, space: space, counters: counters)
            threads.withLock { $0 = running }
        } catch {
            Self.close(ends)
            throw error
        }
        shared.descriptors.onDemand { [weak self] in self?.giveBack() }
    }

    /// Descriptors that an engine has open for as long as it runs: of each shard the link's queue, the ring, the doorbell,
    /// the spare one and both ends of the line to the name service, and the inbox for neighbours.
    public static func standingDescriptors(shards: Int, hasGuestSockets: Bool, hasNeighbors: Bool) -> Int {
        shards * (hasGuestSockets ? 7 : 6) + (hasNeighbors ? 2 : 0)
    }

    /// The guest's share of the process's descriptors.
    public var descriptors: DescriptorShare { shared.descriptors }

    /// Other guests lack what this one has borrowed. From any thread.
    private func giveBack() {
        for index in 0..<shared.network.count { send(.giveBack, to: index) }
    }

    private static func close(_ ends: (reading: Int32, writing: Int32)) {
        for end in [ends.reading, ends.writing] where end >= 0 { Endpoint.close(end, reset: false) }
    }

    deinit {
        // A shard that may still run needs all of it.
        guard threads.withLock({ $0.isEmpty }) else { return }
        space.deallocate()
        for counters in counters { counters.deallocate() }
    }

    // MARK: Neighbours

    /// Bytes of frames on their way to the guest from its neighbours: what a few TCP connections have in flight, where
    /// the system lets us have so much.
    private static var inboxSize: Int32 { 4 << 20 }

    private static func makeInbox() throws(RingError) -> (reading: Int32, writing: Int32) {
        guard let pair = Endpoint.pair(type: Int32(SOCK_SEQPACKET.rawValue)) else {
            throw RingError(operation: "cannot make the guest's inbox", errno: errno)
        }
        // What has not been read counts against the sending end.
        if ringway_set_option(pair.other, SOL_SOCKET, SO_SNDBUFFORCE, inboxSize) != 0 {
            _ = ringway_set_option(pair.other, SOL_SOCKET, SO_SNDBUF, inboxSize)
        }
        return (pair.own, pair.other)
    }

    /// Lets the two engines' guests see each other.
    public func connect(_ other: Engine) {
        addNeighbor(other)
        other.addNeighbor(self)
    }

    /// Parts two engines that `connect` has joined, before either is stopped.
    public func disconnect(_ other: Engine) {
        removeNeighbor(other)
        other.removeNeighbor(self)
    }

    private var mac: MACAddress { shared.configuration.stack.guestMAC }

    private func addNeighbor(_ other: Engine) {
        for index in 0..<shared.network.count {
            let inbox = fcntl(other.inbox, F_DUPFD_CLOEXEC, 0)
            guard inbox >= 0 else { return counters[0].add(.descriptorsExhausted) }
            send(.addNeighbor(other.mac, inbox: inbox), to: index)
        }
    }

    private func removeNeighbor(_ other: Engine) {
        for index in 0..<shared.network.count { send(.removeNeighbor(other.mac), to: index) }
    }

    /// Milliseconds that shards may take to forget an address; a shard that has ended does not count.
    private static var revocationTimeout: Int32 { 1_000 }

    /// Takes IPv6 addresses from the guest that are another one's: nothing is sent from them any more when it returns.
    public func revoke(_ addresses: [IPv6Address]) {
        let reply = ShardReply(count: addresses.count * shards)
        for address in addresses {
            for index in 0..<shards { send(.revokeAddress(address, reply), to: index) }
        }
        reply.wait(milliseconds: Self.revocationTimeout)
    }

    /// Has the guest search other domains.
    public func setSearchDomains(_ domains: [String]) {
        // The first shard has the services.
        send(.setSearchDomains(domains), to: 0)
    }

    /// Holds flows that are opened from now on to another policy.
    public func setPolicy(_ policy: DestinationPolicy) {
        for index in 0..<shared.network.count { send(.setPolicy(policy), to: index) }
    }

    /// Hands frames to this capture from now on; `nil` for none. Connections of published ports that are opened meanwhile
    /// take the link, so that the capture shows them.
    public func setCapture(_ capture: CaptureSession?) {
        for index in 0..<shared.network.count { send(.setCapture(capture), to: index) }
    }

    /// Moves bytes between a plain socket and a channel to the guest's agent, which has them in records; both are
    /// non-blocking.
    ///
    /// - Parameters:
    ///   - client: counted by the engine's share of descriptors, as is the channel.
    ///   - address: the client's, where it has one.
    ///   - server: the server's in the guest, where it has one.
    ///   - route: the number of what it came by, for lists of flows.
    ///   - isOpenedByGuest: whether the client is a program of the guest's, and the socket a server of the host's.
    public func join(
        client: consuming OwnedDescriptor, channel: consuming OwnedDescriptor, from address: TransportAddress?,
        to server: TransportAddress?,
        route: UInt32, isOpenedByGuest: Bool
    ) {
        let ends = ChannelEnds(
            client: address, server: server, route: route, isOpenedByGuest: isOpenedByGuest)
        // Descriptors are as good as dice: neighbours in time go to shards in turn.
        let index = Int(client.rawValue) % shared.network.count
        send(.join(client: client.take(), channel: channel.take(), ends, shared.descriptors), to: index)
    }

    func send(_ command: ShardCommand, to index: Int) {
        shared.commands[index].append(command)
        shared.network.doorbell(of: index).wake()
    }

    // MARK: Watching and ending

    /// The threads of the data path.
    public var shards: Int { shared.network.count }

    /// Every counter that a snapshot has, at zero.
    public static var counts: [Count] {
        Metric.allCases.map { Count(name: $0.name, value: 0, isGauge: $0.isGauge) }
            + DropReason.allCases.filter { $0 != .none }.map {
                Count(name: "refused." + $0.name, value: 0, isGauge: false)
            }
    }

    /// Every counter, summed over the shards, in the order of `Metric`, then the frame parser's reasons.
    public func snapshot() -> [Count] {
        var rows: [Count] = []
        for metric in Metric.allCases {
            rows.append(
                Count(name: metric.name, value: counters.reduce(0) { $0 + $1.read(metric) }, isGauge: metric.isGauge))
        }
        for reason in DropReason.allCases where reason != .none {
            let value = counters.reduce(0) { $0 + $1.readRefused(reason: reason.rawValue) }
            rows.append(Count(name: "refused." + reason.name, value: value, isGauge: false))
        }
        return rows
    }

    /// Stops all shards and waits for their threads. The guest's flows end with RST on the host, and published ports are
    /// free when it returns. Called once.
    public func stop() {
        for index in 0..<shared.network.count { send(.stop, to: index) }
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for thread in running { pthread_join(thread, nil) }
        shared.closeUndelivered()
        if inbox >= 0 { Endpoint.close(inbox, reset: false) }
    }

}

/// A counter's value at one moment.
public struct Count: Sendable {
    public let name: String
    public var value: Int
    /// Whether it tells how much there is now, and not how often something happened.
    public let isGauge: Bool

    public init(name: String, value: Int, isGauge: Bool) {
        self.name = name
        self.value = value
        self.isGauge = isGauge
    }
}
