internal import Glibc
public import RingwayModel
internal import RingwayReactor
public import RingwayRing
internal import RingwayStorage
public import RingwaySystem
internal import Synchronization

/// The shards of a process: their threads, the buffers and mailboxes that they share, and where on them guests are.
///
/// ## Theory of operation
///
/// A set has a fixed number of shards, made when it is and ended by `stop`. Guests come and go on them without a thread
/// being made: `place` chooses a slot on a shard for each queue of a guest's link, the guest's engine lays its tables out
/// and has the shard take them in by a `ShardCall`, which the doorbell announces. Where a guest has gone, its slot is
/// `free` when the last of its buffers is back.
///
/// Networks of one process that want the same shards have the same ones (`ofProcess`).
public final class ShardSet: Sendable {
    /// Guests that a shard may have, each of which costs a ring of provided buffers.
    static var guestLimit: Int { 4_000 }

    /// What a set is made from.
    public struct Configuration: Equatable, Sendable {
        /// Threads of the data path.
        public var shards: Int
        /// Buffers of each shard.
        public var largeBuffers: Int
        public var smallBuffers: Int
        public var features: KernelFeatures
        /// Nanoseconds for which a shard may look for work before it sleeps, where that has paid off; zero never does.
        public var busyPoll: UInt64

        public init(shards: Int, limits: Limits, features: KernelFeatures, busyPoll: UInt64 = 0) {
            self.shards = shards
            largeBuffers = limits.largeBuffers
            smallBuffers = limits.smallBuffers
            self.features = features
            self.busyPoll = busyPoll
        }
    }

    let configuration: Configuration
    let network: ShardNetwork
    let space: BufferSpace
    private let calls: [CallQueue]
    private let counters: [Counters]
    /// The shards' pools, each its shard's own once that runs. In bare memory that does not move: guests know it.
    nonisolated(unsafe) private let pools: UnsafeMutablePointer<BufferPool>
    private let placement: Mutex<ShardPlacement>
    private let threads = Mutex<[pthread_t]>([])
    /// Networks that have the set.
    private let users = Atomic(1)

    /// Starts the shards' threads.
    public convenience init(_ configuration: Configuration) throws(SystemError) {
        try self.init(unstarted: configuration)
        let running = try ShardThread.startAll(self)
        threads.withLock { $0 = running }
    }

    /// Everything but the threads, for shards that are driven by other means.
    init(unstarted configuration: Configuration) throws(SystemError) {
        let count = configuration.shards
        precondition(count > 0 && count <= BufferSpace.maximumShards)
        self.configuration = configuration
        network = try ShardNetwork(count: count, buffers: configuration.largeBuffers)
        do throws(MemoryFailure) {
            (space, pools) = try Self.memory(configuration)
        } catch {
            network.deallocate()
            throw SystemError(error)
        }
        counters = (0..<count).map { _ in Counters() }
        calls = (0..<count).map { _ in CallQueue() }
        placement = Mutex(ShardPlacement(count: count, limit: Self.guestLimit))
    }

    private static func memory(
        _ configuration: Configuration
    ) throws(MemoryFailure) -> (BufferSpace, UnsafeMutablePointer<BufferPool>) {
        let count = configuration.shards
        let space = try BufferSpace(
            shards: count, largeCount: configuration.largeBuffers, smallCount: configuration.smallBuffers)
        var made = 0
        do throws(MemoryFailure) {
            let pools = try UnsafeMutablePointer<BufferPool>.allocateApart(capacity: count)
            do throws(MemoryFailure) {
                while made < count {
                    (pools + made).initialize(to: try BufferPool(space: space, shard: made, owners: guestLimit + 1))
                    made += 1
                }
            } catch {
                pools.deinitialize(count: made)
                pools.deallocate()
                throw error
            }
            return (space, pools)
        } catch {
            space.deallocate()
            throw error
        }
    }

    deinit {
        // A shard that may still run needs all of it.
        guard threads.withLock({ $0.isEmpty }) else { return }
        pools.deinitialize(count: shards)
        pools.deallocate()
        space.deallocate()
        network.deallocate()
        for counters in counters { counters.deallocate() }
    }

    public var shards: Int { configuration.shards }
    public var features: KernelFeatures { configuration.features }

    /// Descriptors that a set has open for as long as it runs: of each shard the ring and the doorbell.
    public var standingDescriptors: Int { shards * (features.backEnd == .ioUring ? 2 : 5) }

    func pool(_ shard: Int) -> UnsafeMutablePointer<BufferPool> { pools + shard }
    func counters(_ shard: Int) -> Counters { counters[shard] }

    // MARK: Guests

    func place(queues: Int) -> [GuestPlace]? { placement.withLock { $0.place(queues: queues) } }

    func free(_ place: GuestPlace) { placement.withLock { $0.free(place) } }

    /// Queues of guests on all shards.
    public var placedQueues: Int { placement.withLock { $0.count } }

    /// Asks something of a shard. From any thread.
    func call(_ call: ShardCall, _ shard: Int) {
        calls[shard].append(call)
        network.doorbell(of: shard).wake()
    }

    /// What has been asked of a shard since it looked last.
    func takeCalls(for shard: Int) -> [ShardCall] { calls[shard].takeAll() }

    /// A shard has ended: nothing is to wait for it.
    func closeCalls(of shard: Int) { calls[shard].close() }

    // MARK: The process's sets

    private static let sets = Mutex<[ShardSet]>([])

    /// The process's set of this kind, made where there is none; to be given up by `leave`.
    public static func ofProcess(_ configuration: Configuration) throws(SystemError) -> ShardSet {
        try sets.withLock { (sets) throws(SystemError) in
            if let set = sets.first(where: { $0.configuration == configuration }) {
                set.users.add(1, ordering: .relaxed)
                return set
            }
            let set = try ShardSet(configuration)
            sets.append(set)
            return set
        }
    }

    /// Gives up a set that `ofProcess` has given. With its last user its threads end; all guests must have gone.
    public func leave() {
        let isLast = Self.sets.withLock { sets in
            guard users.subtract(1, ordering: .relaxed).newValue == 0 else { return false }
            sets.removeAll { $0 === self }
            return true
        }
        if isLast { stop() }
    }

    /// Ends all shards, from which all guests have gone, and waits for their threads.
    func stop() {
        for shard in 0..<shards { call(.stop, shard) }
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for thread in running { pthread_join(thread, nil) }
    }
}
