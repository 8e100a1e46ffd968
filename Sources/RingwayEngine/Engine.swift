internal import CRingway
internal import Glibc
internal import RingwayHost
public import RingwayLinks
internal import RingwayReactor
public import RingwayRing
internal import RingwayStack
internal import RingwayStorage
public import RingwayWire
internal import Synchronization

/// Shards: their threads, what they share and how the control plane reaches them. The only place that knows stack,
/// reactor, links and host all together.
public final class Engine: Sendable {
    private let shared: EngineShared
    private let counters: [Counters]
    private let space: BufferSpace
    private let threads: Mutex<[pthread_t]>

    /// Starts one shard for each queue of the link.
    ///
    /// - Parameters:
    ///   - link: adopted; where its queues have virtio-net headers, these have 12 octets.
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
        space = BufferSpace(
            shards: queues.count, largeCount: limits.largeBuffers, smallCount: limits.smallBuffers)
        counters = queues.map { _ in Counters() }
        shared = EngineShared(
            configuration: configuration, features: features,
            network: ShardNetwork(
                count: queues.count, buffers: limits.largeBuffers),
            nameService: nameService, handler: handler)
        threads = Mutex([])
        var shards: [ShardBox] = []
        for (index, queue) in queues.enumerated() {
            let pool = UnsafeMutablePointer<BufferPool>.allocateApart(capacity: 1)
            pool.initialize(to: BufferPool(space: space, shard: index))
            let shard = UnsafeMutablePointer<Shard>.allocateApart(capacity: 1)
            shard.initialize(
                to: try Shard(
                    index: index, shared: shared, queue: queue, framing: link.framing, pool: pool,
                    counters: counters[index]))
            shards.append(ShardBox(shard: shard, pool: pool))
        }
        for shard in shards { start(shard) }
    }

    /// Hands a shard's memory to its thread.
    private final class ShardBox {
        let shard: UnsafeMutablePointer<Shard>
        let pool: UnsafeMutablePointer<BufferPool>

        init(shard: UnsafeMutablePointer<Shard>, pool: UnsafeMutablePointer<BufferPool>) {
            self.shard = shard
            self.pool = pool
        }
    }

    private func start(_ box: ShardBox) {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(box).toOpaque()
        let result = pthread_create(&thread, nil, Engine.threadBody, argument)
        precondition(result == 0, "the system gives no thread for a shard")
        threads.withLock { $0.append(thread) }
    }

    /// A shard thread's life. Declared here, not as a closure at the point of use, so that no actor's isolation is
    /// inherited.
    private static let threadBody: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        guard let argument else { return nil }
        let box = Unmanaged<ShardBox>.fromOpaque(argument).takeRetainedValue()
        ringway_name_thread("ringway-shard")
        // A splice to a socket whose peer is gone raises it, and there is no flag against that: the error is enough.
        blockBrokenPipeSignal()
        box.shard.pointee.run()
        let arrivals = box.shard.pointee.arrivals
        let departures = box.shard.pointee.departures
        // The ring goes with the shard; only then may the buffers it knew go.
        box.shard.deinitialize(count: 1)
        box.shard.deallocate()
        arrivals?.deinitialize(count: 1)
        arrivals?.deallocate()
        departures?.deinitialize(count: 1)
        departures?.deallocate()
        return nil
    }

    private static func blockBrokenPipeSignal() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    // MARK: Forwards

    /// Publishes TCP `port` of the host; one listener per shard.
    public func listen(
        address: IPAddress?, port: UInt16, guest: TransportAddress, forward: UInt32
    ) throws(HostListenFailure) {
        let listeners: [Int32]
        do throws(HostFailure) {
            listeners = try Listener.stream(address: address, port: port, count: shared.network.count)
        } catch {
            throw HostListenFailure(errno: error.errno)
        }
        for (index, descriptor) in listeners.enumerated() {
            send(.listen(descriptor: descriptor, forward: forward, guest: guest), to: index)
        }
    }

    /// Publishes UDP `port` of the host, on the shard that owns the guest's port.
    public func receive(
        address: IPAddress?, port: UInt16, guest: TransportAddress, forward: UInt32
    ) throws(HostListenFailure) {
        let descriptor: Int32
        do throws(HostFailure) {
            descriptor = try Listener.datagram(address: address, port: port)
        } catch {
            throw HostListenFailure(errno: error.errno)
        }
        let key = FlowKey(guest: guest.address, guestPort: guest.port, transport: .udp)
        let owner = Stack.owner(
            of: key, shards: shared.network.count, secret: shared.configuration.stack.secret)
        send(.receive(descriptor: descriptor, forward: forward, guest: guest), to: owner)
    }

    /// Ends a forward: its listeners close, connections that came through it live on.
    public func unlisten(forward: UInt32) {
        for index in 0..<shared.network.count { send(.unlisten(forward: forward), to: index) }
    }

    private func send(_ command: ShardCommand, to index: Int) {
        shared.commands[index].append(command)
        shared.network.doorbell(of: index).wake()
    }

    // MARK: Watching and ending

    /// Every counter, summed over the shards, in the order of `Metric`, then the frame parser's reasons.
    public func snapshot() -> [(name: String, value: Int)] {
        var rows: [(name: String, value: Int)] = []
        for metric in Metric.allCases {
            rows.append((metric.name, counters.reduce(0) { $0 + $1.read(metric) }))
        }
        for reason in DropReason.allCases where reason != .none {
            rows.append(
                ("refused." + reason.name, counters.reduce(0) { $0 + $1.readRefused(reason: reason.rawValue) }))
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
        closeUndelivered()
    }

    /// Closes what was on its way to a shard that had stopped. No thread but the caller's is left.
    private func closeUndelivered() {
        let count = shared.network.count
        for pair in 0..<count * count {
            let mailbox = shared.network.mailbox(to: pair / count, from: pair % count)
            while let message = mailbox.take() {
                if message.kind == .accepted { Endpoint.close(message.descriptor, reset: true) }
            }
        }
        for queue in shared.commands {
            for command in queue.takeAll() {
                switch command {
                case .listen(let descriptor, _, _), .receive(let descriptor, _, _):
                    Endpoint.close(descriptor, reset: false)
                case .unlisten, .stop: break
                }
            }
        }
    }
}

/// A port could not be listened on.
public struct HostListenFailure: Error, Equatable, Sendable {
    public let errno: Int32
}
