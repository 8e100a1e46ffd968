internal import RingwayLinks
internal import RingwayReactor
public import RingwayRing
internal import RingwayStack
public import RingwayStorage
public import RingwayWire

/// An engine without threads: its owner has the shards go on, one step at a time and in any order. For simulations, whose
/// thread has a model of a host (`HostModel`).
///
/// A turn of a shard falls into two steps: up to where its thread would sleep, and from there on. Between them other shards
/// may have any number of turns, as they may while a thread sleeps.
public final class SteppedEngine {
    /// Where a shard stands.
    public enum Place { case asleep, awake, ended }

    private let shared: EngineShared
    private let space: BufferSpace
    public let counters: [Counters]
    private let pools: UnsafeMutablePointer<BufferPool>
    private let shards: UnsafeMutablePointer<Shard>
    private var places: [Place]

    /// - Parameter queues: of a device link, one for each shard; adopted.
    public init(
        _ configuration: EngineConfiguration, queues: [Int32], handler: @escaping @Sendable (EngineEvent) -> Void
    ) throws(RingError) {
        var configuration = configuration
        configuration.stack.shards = queues.count
        configuration.stack.segmentsUDP = true
        let limits = configuration.stack.limits
        let network = try ShardNetwork(count: queues.count, buffers: limits.largeBuffers)
        let shared = EngineShared(
            configuration: configuration, features: .scripted, network: network, inbox: -1, nameService: nil,
            handler: handler)
        let space = try RingError.orMemory { () throws(MemoryFailure) -> BufferSpace in
            try BufferSpace(shards: queues.count, largeCount: limits.largeBuffers, smallCount: limits.smallBuffers)
        }
        let counters = queues.map { _ in Counters() }
        pools = .allocate(capacity: queues.count)
        shards = .allocate(capacity: queues.count)
        for (index, queue) in queues.enumerated() {
            (pools + index).initialize(
                to: try RingError.orMemory { () throws(MemoryFailure) -> BufferPool in
                    try BufferPool(space: space, shard: index)
                })
            (shards + index).initialize(
                to: try Shard(
                    index: index, shared: shared, queue: queue, framing: .device, pool: pools + index,
                    counters: counters[index]))
            (shards + index).pointee.start()
        }
        self.shared = shared
        self.space = space
        self.counters = counters
        places = queues.map { _ in .awake }
    }

    deinit {
        for shard in places.indices where places[shard] != .ended { dismantle(shard) }
        shards.deallocate()
        pools.deallocate()
        space.deallocate()
        for counters in counters { counters.deallocate() }
    }

    public var count: Int { places.count }
    /// The descriptors of flows that are counted.
    public var descriptorsHeld: Int { shared.descriptors.held }

    public func place(of shard: Int) -> Place { places[shard] }

    /// Has a shard make its next step: a sleeping one wakes.
    public func step(_ shard: Int) {
        switch places[shard] {
        case .ended: return
        case .awake:
            (shards + shard).pointee.beginTurn()
            places[shard] = .asleep
        case .asleep:
            (shards + shard).pointee.goOn()
            places[shard] = .awake
        }
        guard (shards + shard).pointee.isStopping else { return }
        (shards + shard).pointee.finish()
        places[shard] = .ended
        dismantle(shard)
    }

    /// Gives a shard's memory back as its thread does: the ring goes with the shard, before the buffers that it knew.
    private func dismantle(_ shard: Int) {
        (shards + shard).deinitialize(count: 1)
        (pools + shard).deinitialize(count: 1)
    }

    /// What a shard holds that has not ended.
    public func holdings(of shard: Int) -> ShardHoldings {
        places[shard] == .ended ? ShardHoldings() : (shards + shard).pointee.holdings
    }

    public func total(_ metric: Metric) -> Int { counters.reduce(0) { $0 + $1.read(metric) } }

    // MARK: The control plane

    private func send(_ command: ShardCommand, to index: Int) {
        shared.commands[index].append(command)
        shared.network.doorbell(of: index).wake()
    }

    /// Lends a shard a socket of a published port.
    public func listen(
        _ descriptor: Int32, on shard: Int, forward: UInt32, guest: TransportAddress, isStream: Bool
    ) {
        send(
            .listen([
                ListeningSocket(descriptor: descriptor, forward: forward, guest: guest, isStream: isStream)
            ]), to: shard)
    }

    /// Which shard a UDP port of the guest's is published on.
    public func shard(ofDatagramPort guest: TransportAddress) -> Int {
        let key = FlowKey(guest: guest.address, guestPort: guest.port, transport: .udp)
        return key.owner(shards: count, secret: shared.configuration.stack.secret)
    }

    /// Asks for the sockets of forwards back; `true` from what is returned when they are.
    public func unlisten(_ forwards: Set<UInt32>) -> () -> Bool {
        let ended = ShardReply(count: count)
        for index in 0..<count { send(.unlisten(forwards, from: 0, ended), to: index) }
        return { ended.isComplete }
    }

    /// Moves bytes between a client and a channel to the guest's agent; both are adopted.
    public func join(client: Int32, channel: Int32, on shard: Int) {
        shared.descriptors.take(2)
        let ends = ChannelEnds(client: nil, server: nil, route: 0, isOpenedByGuest: false)
        send(.join(client: client, channel: channel, ends, shared.descriptors), to: shard)
    }

    /// Has every shard end.
    public func stop() { for index in 0..<count { send(.stop, to: index) } }

    /// Closes what was on its way to a shard that had ended; all of them have.
    public func closeUndelivered() { shared.closeUndelivered() }
}
