internal import CRingway
internal import Glibc
internal import RingwayLinks
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// One thread and the guest that it serves. It shares nothing with other shards but the mailboxes between them.
///
/// ## A turn
///
/// 1. Buffer rings are refilled, and everything prepared so far goes to the kernel in one system call, which also waits.
/// 2. Completions are handled, each by the component that its tag names. What the stack wants done (`Effect`) becomes new
///    submissions at once.
/// 3. Mail from other shards, then timers, then the acknowledgements that the turn owes.
struct Shard: ~Copyable {
    /// Completions that are handled in a turn, so that timers and mail get theirs under any load.
    private static var completionBudget: Int { 512 }

    private let shared: EngineShared
    private let counters: Counters
    /// Before the guest: the ring goes first, then the memory that it knows.
    private var core: ShardCore
    private var guest: ShardGuest
    private(set) var isStopping = false
    /// The ring could not be had.
    private var hasFailed = false

    /// - Parameter descriptor: the queue of the link, adopted.
    init(
        index: Int, shared: EngineShared, queue descriptor: Int32, framing: Link.Framing,
        pool: UnsafeMutablePointer<BufferPool>, counters: Counters
    ) throws(RingError) {
        // What may fail comes before any stored property is set.
        var ring = try Ring(entries: 1_024, completions: 8_192, features: shared.features)
        let queue = try Queue(
            descriptor, &ring, framing, buffers: ShardCore.ringBuffers, group: ShardCore.linkGroup,
            isMultishot: shared.features.hasMultishotRead && shared.configuration.usesMultishotRead)
        let inbox = try NeighborInbox(
            index == 0 ? shared.inbox : -1, &ring, headroom: Stack.headroom, reserve: ShardCore.linkReserve)
        let core = try ShardCore(index: index, shared: shared, ring: ring, pool: pool, counters: counters)
        do throws(MemoryFailure) {
            guest = try ShardGuest(
                index: index, shared: shared, queue: queue, inbox: inbox, framing: framing, pool: pool,
                counters: counters, now: core.reactor.now)
        } catch {
            throw RingError(error)
        }
        self.core = core
        self.shared = shared
        self.counters = counters
    }

    /// The thread's whole life.
    mutating func run() {
        start()
        while !isStopping {
            turn()
            core.leaveProcessor()
        }
        finish()
    }

    /// The first thing on the shard's thread.
    mutating func start() {
        do throws(RingError) {
            try core.reactor.ring.enable()
        } catch {
            shared.report(.ringFailed(errno: error.errno))
            hasFailed = true
            return isStopping = true
        }
        core.reactor.listen(ShardCore.Operation.bell.tag())
        guest.start(&core)
    }

    /// The last thing. Nothing is to wait for a shard that has ended, for whatever reason.
    mutating func finish() {
        if !hasFailed { cancelOperations() }
        guest.closeDescriptors(&core)
        shared.commands[core.index].close()
    }

    /// Cancels operations on published ports and relays. Each holds the file that it works on: a socket closed under it
    /// would keep its port until the kernel has taken the ring apart, which it does some time after we are gone. The link's
    /// are left for then: to take an interface down lasts longer than all the rest.
    private mutating func cancelOperations() {
        guest.cancelRelays(&core)
        // What one round submits, or lets run, may be armed only then: the next one finds it. And what had to be waited for
        // is not counted by the kernel, but ends in the next round: so only the second that finds nothing is the last.
        var idleRounds = 0
        for _ in 0..<8 where idleRounds < 2 {
            // A ring that fails is not waited for.
            guard core.reactor.ring.submitAndWait(nanoseconds: 0) == 0 else { break }
            // Nothing else that completes now brings anything to close.
            while let completion = core.reactor.ring.nextCompletion() { PortListeners.closeAccepted(completion) }
            idleRounds = guest.cancelListeners(&core) == 0 ? idleRounds + 1 : 0
        }
    }

    private mutating func turn() {
        prepareTurn()
        finishTurn(core.wait(until: guest.deadline(&core)))
    }

    /// A turn up to where the thread sleeps, for a shard that is stepped. `goOn` is the rest.
    mutating func beginTurn() {
        prepareTurn()
        let error = core.beginSleep(until: guest.deadline(&core))
        if error != 0 { finishTurn(error) }
    }

    /// The rest of the turn that `beginTurn` has begun.
    mutating func goOn() {
        core.endSleep()
        finishTurn(0)
    }

    @inline(__always)
    private mutating func prepareTurn() {
        guest.refill(&core)
        core.flushStrays()
    }

    /// - Parameter error: what the wait failed with, or zero.
    @inline(__always)
    private mutating func finishTurn(_ error: Int32) {
        guard error == 0 else {
            shared.report(.ringFailed(errno: error))
            isStopping = true
            return
        }
        guest.beginTurn(&core)
        var budget = Self.completionBudget
        while budget > 0, let completion = core.reactor.ring.nextCompletion() {
            handle(completion)
            budget -= 1
        }
        guest.endCompletions(&core)
        readMail()
        guest.endTurn(&core)
    }

    @inline(__always)
    private mutating func handle(_ completion: Completion) {
        guard completion.tag.owner == .shard else { return guest.complete(completion, &core) }
        switch ShardCore.Operation(completion.tag) {
        case .bell:
            core.reactor.listen(ShardCore.Operation.bell.tag())
            if guest.runCommands(&core) { isStopping = true }
        case .mail: counters.add(.wakes)
        case .ignored, nil: break
        }
    }

    private mutating func readMail() {
        guard core.shards > 1 else { return }
        for sender in 0..<core.shards where sender != core.index {
            var budget = ShardCore.mailBudget
            while budget > 0, let message = core.takeMail(from: sender) {
                budget -= 1
                guest.receive(message, &core)
            }
        }
    }

    // MARK: For simulations

    /// What the shard holds.
    var holdings: ShardHoldings {
        mutating get {
            var holdings = guest.holdings()
            holdings.messages = core.messages.count
            holdings.expectedLeases += core.receiveBuffers.available
            holdings.leases = core.pool.pointee.leased
            return holdings
        }
    }
}
