internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayReactor
internal import RingwayStorage
internal import RingwaySystem
internal import Synchronization

/// A shard together with its thread, which frees the shard when the shard has stopped.
final class ShardThread {
    private let shard: UnsafeMutablePointer<Shard>
    private let index: Int
    private let set: ShardSet
    private let gate: Gate

    /// Holds back all threads until every one has been created.
    private final class Gate: Sendable {
        let isOpen = Mutex(false)
    }

    private init(_ index: Int, _ set: ShardSet, _ gate: Gate) throws(SystemError) {
        self.gate = gate
        self.index = index
        self.set = set
        shard = try SystemError.orMemory { () throws(MemoryFailure) in try .allocateApart(capacity: 1) }
        do throws(SystemError) {
            shard.initialize(to: try Shard(index: index, set: set))
        } catch {
            shard.deallocate()
            throw error
        }
    }

    /// Starts one thread for each shard of a set. If one cannot be started, none runs.
    static func startAll(_ set: ShardSet) throws(SystemError) -> [pthread_t] {
        let gate = Gate()
        var waiting: [ShardThread] = []
        var running: [pthread_t] = []
        var failure: SystemError?
        gate.isOpen.withLock { isOpen in
            do throws(SystemError) {
                for index in 0..<set.shards { waiting.append(try ShardThread(index, set, gate)) }
                while let next = waiting.first {
                    running.append(try start(next))
                    waiting.removeFirst()
                }
            } catch {
                failure = error
            }
            isOpen = failure == nil
        }
        guard let failure else { return running }
        for thread in running { pthread_join(thread, nil) }
        for shard in waiting { shard.dismantle() }
        throw failure
    }

    private static func start(_ shard: ShardThread) throws(SystemError) -> pthread_t {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(shard)
        let result = pthread_create(&thread, nil, life, argument.toOpaque())
        guard result == 0 else {
            argument.release()
            throw SystemError("cannot start a shard's thread", errno: result)
        }
        return thread
    }

    /// The main function of a shard's thread. A static property, unlike a closure at the point of use, inherits no
    /// actor isolation.
    private static let life: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        guard let argument else { return nil }
        let own = Unmanaged<ShardThread>.fromOpaque(argument).takeRetainedValue()
        ringway_name_thread("ringway-shard")
        // A splice to a socket whose peer has closed raises SIGPIPE, and splice has no flag that prevents it. The
        // signal is blocked, because the system call's error is sufficient.
        blockBrokenPipeSignal()
        if own.gate.isOpen.withLock({ $0 }) { own.shard.pointee.run() }
        own.dismantle()
        return nil
    }

    private static func blockBrokenPipeSignal() {
        var set = sigset_t()
        sigemptyset(&set)
        sigaddset(&set, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Frees the shard and its ring, then notifies the engines of guests that a failure of the ring has ended. Their
    /// memory may be freed only now, because the kernel may access it until the ring is closed.
    private func dismantle() {
        let aborted = shard.pointee.takeAborted()
        shard.deinitialize(count: 1)
        shard.deallocate()
        set.closeCalls(of: index)
        for guest in aborted { guest.notifyEngine() }
    }
}
