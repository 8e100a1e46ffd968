internal import Glibc
public import RingwayModel
internal import RingwayReactor
public import RingwayRing
internal import RingwayStorage
public import RingwaySystem
internal import Synchronization

/// The shards of a process: their threads, buffer pools and mailboxes, and the places of guests on them.
///
/// ## Theory of operation
///
/// The number of shards is fixed when the set is created; `stop` ends them. Adding and removing guests creates no
/// threads. To add a guest, `place` chooses a slot on a shard for each queue of the guest's link. The guest's
/// `Engine` allocates memory for each queue's part of the guest, and asks the shards to add the parts, by a
/// `ShardCall` that the doorbell announces. After a guest is removed, each of its slots is released (`free`) once the
/// last buffer charged to it has been released.
///
/// Networks in one process that need the same configuration share one set (`ofProcess`).
public final class ShardSet: Sendable {
    /// The most guests on a shard. Tables with an entry for each guest have this size.
    static var guestLimit: Int { 4_000 }

    /// The configuration of a set.
    public struct Configuration: Equatable, Sendable {
        /// The number of data path threads.
        public var shards: Int
        /// The number of buffers per shard.
        public var largeBuffers: Int
        public var smallBuffers: Int
        public var features: KernelFeatures
        /// The most nanoseconds for which a shard polls before it sleeps, when polling has recently found work; zero
        /// disables it.
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
    /// The buffer pools. Once a shard's thread runs, only that thread uses the shard's pool. The addresses are fixed
    /// because guests hold pointers to the pools.
    nonisolated(unsafe) private let pools: UnsafeMutablePointer<BufferPool>
    private let placement: Mutex<ShardPlacement>
    private let threads = Mutex<[pthread_t]>([])
    /// The number of networks that use the set.
    private let users = Atomic(1)

    /// Starts the shards' threads.
    public convenience init(_ configuration: Configuration) throws(SystemError) {
        try self.init(unstarted: configuration)
        let running = try ShardThread.startAll(self)
        threads.withLock { $0 = running }
    }

    /// Creates everything except the threads, for `SteppedShards`.
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
        // Threads that `stop` has not joined may still use the memory, so it is not freed.
        guard threads.withLock({ $0.isEmpty }) else { return }
        pools.deinitialize(count: shards)
        pools.deallocate()
        space.deallocate()
        network.deallocate()
        for counters in counters { counters.deallocate() }
    }

    public var shards: Int { configuration.shards }
    public var features: KernelFeatures { configuration.features }

    /// The number of descriptors that are open as long as the set runs. For each shard: one for the doorbell, and one
    /// for the ring, or four for a ring that emulates io_uring on epoll.
    public var standingDescriptors: Int { shards * (features.backEnd == .ioUring ? 2 : 5) }

    func pool(_ shard: Int) -> UnsafeMutablePointer<BufferPool> { pools + shard }
    func counters(_ shard: Int) -> Counters { counters[shard] }

    // MARK: Guests

    func place(queues: Int) -> [GuestPlace]? { placement.withLock { $0.place(queues: queues) } }

    func free(_ place: GuestPlace) { placement.withLock { $0.free(place) } }

    /// The number of links' queues that have a place on a shard.
    public var placedQueues: Int { placement.withLock { $0.count } }

    /// Sends a call to a shard. May be called from any thread.
    func call(_ call: ShardCall, _ shard: Int) {
        calls[shard].append(call)
        network.doorbell(of: shard).wake()
    }

    /// Removes and returns the calls to a shard.
    func takeCalls(for shard: Int) -> [ShardCall] { calls[shard].takeAll() }

    /// A shard has stopped: abandons its calls, so that no caller waits for it.
    func closeCalls(of shard: Int) { calls[shard].close() }

    // MARK: Sets shared within the process

    private static let sets = Mutex<[ShardSet]>([])

    /// Returns the process's set with this configuration, created if there is none. The caller must call `leave` when
    /// it no longer uses the set.
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

    /// Stops using a set returned by `ofProcess`. The caller's guests must have been removed. When the last user
    /// leaves, the threads stop.
    public func leave() {
        let isLast = Self.sets.withLock { sets in
            guard users.subtract(1, ordering: .relaxed).newValue == 0 else { return false }
            sets.removeAll { $0 === self }
            return true
        }
        if isLast { stop() }
    }

    /// Stops all shards and waits for their threads. All guests must have been removed.
    func stop() {
        for shard in 0..<shards { call(.stop, shard) }
        let running = threads.withLock { threads in
            defer { threads = [] }
            return threads
        }
        for thread in running { pthread_join(thread, nil) }
    }
}
