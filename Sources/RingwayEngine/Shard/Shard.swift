internal import CRingway
internal import Glibc
internal import RingwayLinks
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStorage
internal import RingwaySystem

/// A thread of the process and the guests that it serves. It shares nothing with other shards but the mailboxes between
/// them.
///
/// ## A turn
///
/// 1. Buffer rings are refilled, and everything prepared so far goes to the kernel in one system call, which also waits.
/// 2. Completions are handled, each by the guest that its tag names. What the stack wants done (`Effect`) becomes new
///    submissions at once.
/// 3. Mail from other guests and shards, then timers, then the acknowledgements that the turn owes.
///
/// Only guests for which something has happened have a part in a turn; they are *active*. A guest stays in the memory of
/// its engine and is worked on where it lies, so that to go from one to the next costs a few words.
///
/// **Fair shares.** A link brings so many frames in a turn and no more, fewer where they have sockets opened and closed
/// (`ShardCore.frameAllowance`), and host sockets that wait for a buffer are served in turn, some of each guest.
///
/// **A guest that goes** keeps its slot until the kernel has ended every operation of it, and a new guest gets the slot only
/// when every buffer that the last one was charged with is back (`ShardSet`).
struct Shard: ~Copyable {
    /// Completions that are handled in a turn, so that timers and mail get theirs under any load.
    private static var completionBudget: Int { 512 }

    private let set: ShardSet
    private var core: ShardCore
    private var guests: GuestTable
    private var turnNumber: UInt64 = 0
    private(set) var isStopping = false
    /// Slots of guests that have gone, some of whose buffers are still elsewhere.
    private var leaving: [GuestPlace] = []
    /// Guests that were on the shard when its ring failed.
    private var wreck: [GuestRemains] = []

    init(index: Int, set: ShardSet) throws(SystemError) {
        // What may fail comes before any stored property is set.
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

    // MARK: The thread's life

    /// The thread's whole life.
    mutating func run() {
        begin()
        while !isStopping { turn() }
    }

    /// Makes the calling thread the one that drives the shard.
    mutating func begin() {
        do throws(SystemError) {
            try core.begin()
        } catch {
            fail(error.errno)
        }
    }

    /// The ring is of no use any more: all guests end, and nothing is waited for.
    private mutating func fail(_ error: Int32) {
        isStopping = true
        leave()
        while guests.count > 0 {
            let slot = guests.slot(at: 0)
            guard let guest = guests[slot].pointee.guest else { break }
            guest.pointee.fail(errno: error, &core)
            wreck.append(guest.pointee.remains)
            guests[slot].pointee.inFlight = 0
            guests.remove(slot)
        }
    }

    /// Guests that the shard has taken down with it. To be let go of when the ring is gone, which knows their memory.
    mutating func takeWreck() -> [GuestRemains] {
        defer { wreck = [] }
        return wreck
    }

    // MARK: The turn

    /// One turn; to be called again until the shard stops.
    mutating func turn() {
        prepareTurn()
        finishTurn(core.wait(until: guests.nextDeadline))
    }

    /// A turn up to where the thread sleeps, for a shard that is stepped. `goOn` is the rest.
    mutating func beginTurn() {
        prepareTurn()
        let error = core.beginSleep(until: guests.nextDeadline)
        if error != 0 { finishTurn(error) }
    }

    /// The rest of the turn that `beginTurn` has begun.
    mutating func goOn() {
        core.endSleep()
        finishTurn(0)
    }

    @inline(__always)
    private mutating func prepareTurn() {
        refill()
        core.flushStrays()
    }

    /// - Parameter error: what the wait failed with, or zero.
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

    /// The guest in a slot, which is served from now on; `nil` when there is none.
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

    /// Serves no guest.
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

    /// Puts buffers where the kernel looks for them, and takes guests out of the turn that have no more part in it.
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

    /// Gives a part in the turn to guests whose time has come, and to those that have waited for buffers.
    private mutating func serveDue() {
        let now = core.now
        for index in 0..<guests.activeCount { serve(guests.active(at: index)) }
        for index in 0..<guests.count {
            let slot = guests.slot(at: index)
            if guests[slot].pointee.deadline <= now { serve(slot) }
        }
    }

    /// Timers, acknowledgements, and what guests that go have left to do.
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
                letGo(slot, guest)
                index &-= 1
            }
        }
        leave()
        if !leaving.isEmpty { freePlaces() }
    }

    // MARK: Mail

    /// Reads what was posted here, so much in a turn; whether that was all.
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
            // A neighbour has gone meanwhile. A guest's own mail is read before it goes.
            leave()
            if message.kind == .accepted { Endpoint.close(message.client.descriptor, reset: true) }
            return core.releaseAny(message.lease)
        }
        guest.pointee.receive(message, &core)
    }

    // MARK: Guests that come and go

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

    /// Divides what the shard has once among its guests.
    private mutating func share() {
        leave()
        core.setGuests(guests.count)
        for index in 0..<guests.count {
            guests[guests.slot(at: index)].pointee.guest?.pointee.setShare(of: guests.count)
        }
    }

    /// Gives a guest's memory back to its engine: nothing of the guest is in flight any more.
    private mutating func letGo(_ slot: UInt16, _ guest: UnsafeMutablePointer<ShardGuest>) {
        serve(slot)
        guest.pointee.unregister(&core)
        leave()
        let remains = guest.pointee.remains
        guests.remove(slot)
        share()
        leaving.append(remains.place)
        remains.letGo()
    }

    /// Gives slots to others whose last guest's buffers are all back.
    private mutating func freePlaces() {
        let pool = core.pool
        leaving.removeAll { [set] place in
            guard pool.pointee.held(by: place.slot) == 0 else { return false }
            set.free(place)
            return true
        }
    }

    // MARK: For simulations

    /// What is left where nothing is going on: what the shard itself holds, and buffers that wait in its rings.
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

    /// What the guest at a place holds; nothing when it has gone.
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
