internal import CRingway
internal import Glibc
internal import RingwayLinks
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStorage
internal import RingwaySystem

/// A thread of the data path and the guests that it serves. Shards exchange data only through the mailboxes between
/// them.
///
/// ## A turn
///
/// 1. The shard refills its buffer rings. One system call then submits all queued operations and waits for a
///    completion, mail or the next deadline.
/// 2. It handles completions. The tag (`user_data`) of each names the guest, whose stack processes the event. What
///    the stack then requests (`Effect`) is carried out at once, mostly as new operations.
/// 3. It reads mail from other guests and shards, then runs timers, then sends the acknowledgements that are due.
///
/// Only *active* guests are visited in a turn: those with a completion, mail, a command or a passed deadline, and
/// those that have unfinished work. A guest's state is in memory of its own, so switching from one guest to the next
/// changes only a few fields (`ShardCore.serve`).
///
/// **Fair shares.** While several guests are active, each link may read only a limited number of frames per turn
/// (`ShardCore.frameAllowance`). Frames that open or close sockets cost more than others, so they reduce the number
/// for later turns. Receives on host sockets that found no buffer are retried; each active guest may use an equal
/// part of the available buffers.
///
/// **Removing a guest.** A guest keeps its slot until the kernel has completed all of its operations. The slot is
/// reused for another guest only after every buffer charged to it has been released (`ShardSet`).
struct Shard: ~Copyable {
    /// The most completions handled per turn. The bound ensures that timers and mail are served under any load.
    private static var completionBudget: Int { 512 }

    private let set: ShardSet
    private var core: ShardCore
    private var guests: GuestTable
    private var turnNumber: UInt64 = 0
    private(set) var isStopping = false
    /// Places of removed guests, which cannot be reused yet: buffers charged to these guests may still be in use.
    private var leaving: [GuestPlace] = []
    /// Guests that ended because the ring failed.
    private var aborted: [EndedGuest] = []

    init(index: Int, set: ShardSet) throws(SystemError) {
        // Initialisers that may fail run first, so that an error never leaves `self` partly initialised.
        let ring = try Ring(entries: 1_024, completions: 8_192, features: set.features)
        let core = try ShardCore(
            index: index, network: set.network, busyPoll: set.configuration.busyPoll, ring: ring, pool: set.pool(index),
            counters: set.counters(index))
        let guests = try SystemError.orMemory { () throws(MemoryFailure) -> GuestTable in
            try GuestTable(capacity: ShardSet.guestLimit)
        }
        self.core = core
        self.guests = guests
        self.set = set
    }

    // MARK: The thread's main loop

    /// Runs turns until the shard is stopped.
    mutating func run() {
        begin()
        ThreadStart.begin(.shard)
        while !isStopping { turn() }
    }

    /// Enables the ring. Called by the thread that drives the shard.
    mutating func begin() {
        do throws(SystemError) {
            try core.begin()
        } catch {
            fail(error.errno)
        }
    }

    /// The ring has failed: ends all guests at once, because their operations will never complete.
    private mutating func fail(_ error: Int32) {
        isStopping = true
        leave()
        while guests.count > 0 {
            let slot = guests.slot(at: 0)
            guard let guest = guests[slot].pointee.guest else { break }
            guest.pointee.fail(errno: error, &core)
            aborted.append(guest.pointee.endedGuest)
            guests[slot].pointee.inFlight = 0
            guests.remove(slot)
        }
    }

    /// Returns the guests that ended because the ring failed. The caller closes the ring before it notifies their
    /// engines, which then free the guests' memory. Until the ring is closed, the kernel may access that memory.
    mutating func takeAborted() -> [EndedGuest] {
        defer { aborted = [] }
        return aborted
    }

    // MARK: The turn

    /// Runs one turn. The thread calls it repeatedly until the shard stops.
    mutating func turn() {
        prepareTurn()
        finishTurn(core.wait(until: guests.nextDeadline))
    }

    /// The first half of a turn, up to the point where a thread would sleep; for a shard without a thread
    /// (`SteppedShards`). `goOn` is the second half.
    mutating func beginTurn() {
        prepareTurn()
        let error = core.beginSleep(until: guests.nextDeadline)
        if error != 0 { finishTurn(error) }
    }

    /// The second half of a turn that `beginTurn` started.
    mutating func goOn() {
        core.endSleep()
        finishTurn(0)
    }

    @inline(__always)
    private mutating func prepareTurn() {
        refill()
        core.flushStrays()
    }

    /// - Parameter error: the `errno` with which the wait failed, or zero.
    @inline(__always)
    private mutating func finishTurn(_ error: Int32) {
        guard error == 0 else { return fail(error) }
        turnNumber &+= 1
        serveDue()
        var budget = Self.completionBudget
        while budget > 0, let completion = core.reactor.ring.nextCompletion() {
            handle(completion)
            budget -= 1
        }
        var index = 0
        while index < guests.activeCount {
            serve(guests.active(at: index))?.pointee.endCompletions(&core)
            index &+= 1
        }
        let isDrained = readMail()
        endTurns(isDrained)
    }

    /// Switches to the guest in a slot and makes it active. Returns `nil` if the slot is free.
    @inline(__always)
    @discardableResult
    private mutating func serve(_ slot: UInt16) -> UnsafeMutablePointer<ShardGuest>? {
        let entry = guests[slot]
        guard let guest = entry.pointee.guest else { return nil }
        guard core.tenant != slot else { return guest }
        leave()
        core.serve(slot, guest.pointee.counters)
        if entry.pointee.turn != turnNumber {
            entry.pointee.turn = turnNumber
            guests.activate(slot)
            guest.pointee.beginTurn(&core)
        }
        return guest
    }

    /// Stops serving the current guest.
    @inline(__always)
    private mutating func leave() {
        guard core.tenant != 0 else { return }
        let entry = guests[core.tenant]
        entry.pointee.inFlight &+= core.leave()
    }

    @inline(__always)
    private mutating func handle(_ completion: Completion) {
        let slot = completion.tag.tenant
        guard slot != 0 else { return handleOwn(completion) }
        if !completion.hasMore { guests[slot].pointee.inFlight &-= 1 }
        serve(slot)?.pointee.complete(completion, &core)
    }

    private mutating func handleOwn(_ completion: Completion) {
        switch ShardCore.Operation(completion.tag) {
        case .bell:
            leave()
            core.reactor.listen(ShardCore.Operation.bell.tag())
            for call in set.takeCalls(for: core.index) { answer(call) }
        case .mail: core.noteWake()
        case .ignored, nil: break
        }
    }

    /// Refills the buffer rings, retries receives that found no buffer, and records deadlines. Then deactivates
    /// guests that have no unfinished work.
    private mutating func refill() {
        core.setActiveGuests(guests.activeCount)
        var isCongested = false
        for index in 0..<guests.activeCount {
            guard let guest = serve(guests.active(at: index)) else { continue }
            guest.pointee.refillLink(&core)
            isCongested = guest.pointee.isCongested
        }
        leave()
        core.refill(isPaused: isCongested && guests.count == 1)
        let share = max(1, core.receiveBuffers.available / max(1, guests.activeCount))
        for index in 0..<guests.activeCount {
            let slot = guests.active(at: index)
            guard let guest = serve(slot) else { continue }
            guest.pointee.refillSockets(upTo: share, &core)
            guests[slot].pointee.deadline = guest.pointee.deadline(&core) ?? .max
        }
        leave()
        guests.deactivate { entry in !(entry.pointee.guest?.pointee.isWaiting ?? false) }
    }

    /// Serves the guests that are still active from the last turn, and those whose deadline has passed.
    private mutating func serveDue() {
        let now = core.now
        for index in 0..<guests.activeCount { serve(guests.active(at: index)) }
        for index in 0..<guests.count {
            let slot = guests.slot(at: index)
            if guests[slot].pointee.deadline <= now { serve(slot) }
        }
    }

    /// Ends the turn of each active guest (`ShardGuest.endTurn`), and removes guests that have ended.
    private mutating func endTurns(_ isDrained: Bool) {
        var index = 0
        while index < guests.activeCount {
            let slot = guests.active(at: index)
            index &+= 1
            guard let guest = serve(slot) else { continue }
            guest.pointee.endTurn(&core)
            guard guest.pointee.isEnding else { continue }
            leave()
            if guest.pointee.hasEnded(isDrained: isDrained), guests[slot].pointee.inFlight == 0 {
                remove(slot, guest)
                index &-= 1
            }
        }
        leave()
        if !leaving.isEmpty { freePlaces() }
    }

    // MARK: Mail

    /// Reads mail, up to a limit per sender. Returns false if a limit was reached, so that mail may be left.
    private mutating func readMail() -> Bool {
        var isDrained = true
        var budget = ShardCore.mailBudget
        while let message = core.takeLocalMail() {
            deliver(message)
            budget -= 1
            guard budget > 0 else {
                isDrained = false
                break
            }
        }
        guard core.shards > 1 else { return isDrained }
        for sender in 0..<core.shards where sender != core.index {
            var budget = ShardCore.mailBudget
            while budget > 0, let message = core.takeMail(from: sender) {
                budget -= 1
                deliver(message)
            }
            if budget == 0 { isDrained = false }
        }
        return isDrained
    }

    private mutating func deliver(_ message: ShardMessage) {
        guard message.kind != .leases else { return core.pool.pointee.acceptHome(message.lease) }
        guard guests.guest(at: message.place) != nil, let guest = serve(message.place.slot) else {
            // The receiving guest was removed after a neighbour had posted the message. Mail between the parts of one
            // guest is always read before a part is removed.
            leave()
            if message.kind == .accepted { Endpoint.close(message.client.descriptor, reset: true) }
            return core.releaseAny(message.lease)
        }
        guest.pointee.receive(message, &core)
    }

    // MARK: Adding and removing guests

    private mutating func answer(_ call: ShardCall) {
        switch call {
        case .admit(let admission): admission.settle(admit(admission))
        case .withdraw(let admission):
            serve(admission.place.slot)?.pointee.unregister(&core)
            leave()
            guests.remove(admission.place.slot)
            set.free(admission.place)
            share()
            admission.settle(nil)
        case .commands(let place):
            guard guests.guest(at: place) != nil, let guest = serve(place.slot) else { return }
            guest.pointee.runCommands(&core)
        case .stop: isStopping = true
        }
    }

    private mutating func admit(_ admission: GuestAdmission) -> SystemError? {
        let slot = admission.place.slot
        guests.insert(admission.guest, at: admission.place)
        share()
        do throws(SystemError) {
            try serve(slot)?.pointee.register(&core)
        } catch {
            leave()
            guests.remove(slot)
            share()
            return error
        }
        leave()
        return nil
    }

    /// Tells the core and every guest how many guests divide the shard's resources.
    private mutating func share() {
        leave()
        core.setGuests(guests.count)
        for index in 0..<guests.count {
            guests[guests.slot(at: index)].pointee.guest?.pointee.setShare(of: guests.count)
        }
    }

    /// Returns a guest's memory to its engine. No operation of the guest is in flight any more.
    private mutating func remove(_ slot: UInt16, _ guest: UnsafeMutablePointer<ShardGuest>) {
        serve(slot)
        guest.pointee.unregister(&core)
        leave()
        let ended = guest.pointee.endedGuest
        guests.remove(slot)
        share()
        leaving.append(ended.place)
        ended.notifyEngine()
    }

    /// Releases the slots of removed guests whose buffers have all been released.
    private mutating func freePlaces() {
        let pool = core.pool
        leaving.removeAll { [set] place in
            guard pool.pointee.held(by: place.slot) == 0 else { return false }
            set.free(place)
            return true
        }
    }

    // MARK: For simulations

    /// The resources in use on the shard: all leased buffers, those among them that wait for data in buffer rings,
    /// and the `sendmsg` operations in flight.
    var holdings: ShardHoldings {
        mutating get {
            var holdings = ShardHoldings()
            holdings.leases = core.pool.pointee.leased
            holdings.expectedLeases = core.receiveBuffers.available
            holdings.messages = core.messages.count
            for index in 0..<guests.count {
                guard let guest = guests[guests.slot(at: index)].pointee.guest else { continue }
                holdings.expectedLeases += guest.pointee.linkBuffers
            }
            return holdings
        }
    }

    /// The resources of the guest at a place; all zero if it has been removed.
    mutating func holdings(of place: GuestPlace) -> ShardHoldings {
        guard let guest = guests.guest(at: place) else { return ShardHoldings() }
        var holdings = guest.pointee.holdings()
        holdings.leases = core.pool.pointee.held(by: place.slot)
        holdings.messages = core.messageCount(of: place.slot)
        holdings.operations = guests[place.slot].pointee.inFlight
        return holdings
    }

    /// This turn's clock reading.
    var now: UInt64 {
        mutating get { core.now }
    }
}
