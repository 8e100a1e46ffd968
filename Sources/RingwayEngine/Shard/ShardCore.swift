internal import CRingway
internal import Glibc
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem

/// What belongs to a shard's thread rather than to a guest that it serves: the ring and its clock, the buffers, the
/// messages in flight, and the mail to other guests and shards. Components are lent it for each call and keep no part of it.
///
/// The core knows which guest is being served (`serve`): operations are submitted, buffers leased and events counted in the
/// name of that guest until the next one's turn.
///
/// Methods are `mutating` even where they change nothing: the compiler passes `self` of any other method by value.
struct ShardCore: ~Copyable {
    /// The operations of the shard itself.
    enum Operation: UInt8, ShardOperation {
        /// Nothing waits for the result.
        case ignored = 0
        /// The doorbell's event.
        case bell
        /// Another shard has posted to a mailbox.
        case mail

        static var owner: OperationOwner { .shard }
    }

    /// Buffers in a buffer ring: few, so that they stay in the second-level cache, and at the most in that of host sockets.
    static var ringBuffers: Int { 32 }
    private static var ringBufferLimit: Int { 512 }
    /// The same while several guests have a part in the turn: what sockets of one guest receive at once, others wait for.
    private static var sharedRingBuffers: Int { 128 }
    /// Frames that a link may bring in a turn while others have a part in it: how long these wait for it.
    private static var sharedLinkBuffers: ClosedRange<Int> { 8...16 }
    private static var turnFrames: Int { 64 }
    private static var leastLinkBuffers: Int { 4 }
    /// What it costs to open a socket, or to close it, in frames; and how much of that a guest is held to at the most.
    private static var socketCost: Int32 { 4 }
    private static var debtLimit: Int32 { 4_096 }
    /// Large buffers that host sockets leave for frames from the guest, so that acknowledgements always get in.
    static var linkReserve: Int { 24 }
    /// The number of the buffer ring of all host sockets. That of a guest's link is the guest's slot, from one on.
    static var hostGroup: UInt16 { 0 }

    /// Bytes moved in one turn from which on the processor is better left to others than kept in wait for more.
    private static var bulkTurn: Int { 8_192 }

    /// Bytes that a multishot `recvmsg` keeps for the sender's name and for control data before the payload.
    static var nameRoom: UInt32 { 32 }
    static var controlRoom: Int { 128 }

    let index: Int
    /// Of the guest that is being served.
    private(set) var counters: Counters
    /// Of what is no guest's.
    private let ownCounters: Counters
    /// The slot of the guest that is being served; zero between two of them.
    private(set) var tenant: UInt16 = 0
    /// The ring's count of operations when it began to be.
    private var submissionsBefore: UInt64 = 0
    /// Guests that share the shard.
    private(set) var guests = 0
    private var wasWoken = false
    /// Frames that each link may bring in the next turn.
    private var linkBuffers = ringBuffers
    /// Guests that have a part in the turn.
    private var activeGuests = 0
    /// By slot, what the guest's frames have cost beyond their number, in frames.
    private let debts: UnsafeMutablePointer<Int32>
    let pool: UnsafeMutablePointer<BufferPool>
    let space: BufferSpace
    var reactor: Reactor
    /// Buffers that host sockets receive into.
    var receiveBuffers: LeaseRing
    /// Messages in the kernel's hands, and how many of them each guest has.
    private(set) var messages: Slab<SendMessage>
    private let messageCounts: UnsafeMutablePointer<Int32>
    private static var messageLimit: Int { 8_192 }
    private static var messagesOfGuest: ClosedRange<Int> { 64...1_024 }
    /// Bytes that guests have sent and host sockets have received in this turn.
    var bytesThisTurn = 0
    /// What every multishot `recvmsg` points to: how much room name and control data have.
    private let receiveTemplate: UnsafeMutablePointer<msghdr>
    private let network: ShardNetwork
    private var localMail: LocalMail
    /// Receives that have found no buffer since the last refill.
    private var starvedReceives = 0

    /// - Parameters:
    ///   - pool: has as many owners as there may be guests, and one.
    ///   - counters: for what is no guest's.
    init(
        index: Int, network: ShardNetwork, busyPoll: UInt64, ring: consuming Ring,
        pool: UnsafeMutablePointer<BufferPool>, counters: Counters
    ) throws(SystemError) {
        // What may fail comes before any stored property is set.
        let receiveBuffers = try LeaseRing(
            capacity: Self.ringBufferLimit, least: Self.ringBuffers, group: Self.hostGroup, headroom: Stack.headroom,
            reserve: Self.linkReserve)
        let reactor = try Reactor(
            ring: ring, doorbell: network.doorbell(of: index), busyPoll: BusyPoll(limit: busyPoll))
        let messages = try SystemError.orMemory { () throws(MemoryFailure) -> Slab<SendMessage> in
            try Slab(capacity: Self.messageLimit)
        }
        let localMail = try SystemError.orMemory { () throws(MemoryFailure) -> LocalMail in
            try LocalMail(capacity: 4_096)
        }
        (receiveTemplate, messageCounts, debts) = try SystemError.orMemory { () throws(MemoryFailure) in
            var blocks = MemoryBlocks()
            let template = try blocks.apart(1, of: msghdr.self)
            let counts = try blocks.apart(ShardSet.guestLimit + 1, of: Int32.self)
            let debts = try blocks.apart(ShardSet.guestLimit + 1, of: Int32.self)
            blocks.keep()
            return (template, counts, debts)
        }
        self.index = index
        self.counters = counters
        ownCounters = counters
        self.pool = pool
        space = pool.pointee.space
        self.reactor = reactor
        self.receiveBuffers = receiveBuffers
        self.messages = messages
        self.localMail = localMail
        self.network = network
        messageCounts.initialize(repeating: 0, count: ShardSet.guestLimit + 1)
        debts.initialize(repeating: 0, count: ShardSet.guestLimit + 1)
        receiveTemplate.initialize(to: msghdr())
        receiveTemplate.pointee.msg_namelen = Self.nameRoom
        receiveTemplate.pointee.msg_controllen = Self.controlRoom
    }

    deinit {
        receiveTemplate.deallocate()
        messageCounts.deallocate()
        debts.deallocate()
    }

    /// Enables the ring; on the thread that drives it.
    mutating func begin() throws(SystemError) {
        try reactor.ring.enable()
        try receiveBuffers.register(with: &reactor.ring)
        reactor.listen(Operation.bell.tag())
    }

    /// This turn's clock reading, monotonic nanoseconds.
    @inline(__always)
    var now: UInt64 {
        mutating get { reactor.now }
    }

    // MARK: The guest that is served

    /// Serves a guest from now on, until `leave`.
    @inline(__always)
    mutating func serve(_ slot: UInt16, _ guestCounters: Counters) {
        tenant = slot
        reactor.ring.tenant = slot
        pool.pointee.owner = slot
        counters = guestCounters
        submissionsBefore = reactor.ring.submissions
    }

    /// Serves no guest from now on. Returns how many operations were submitted in the name of the last one.
    @inline(__always)
    mutating func leave() -> Int {
        tenant = 0
        reactor.ring.tenant = 0
        pool.pointee.owner = 0
        counters = ownCounters
        return Int(reactor.ring.submissions &- submissionsBefore)
    }

    /// Another shard has woken this one, for the sake of the guest whose mail is read first.
    mutating func noteWake() { wasWoken = true }

    mutating func countWake() {
        guard wasWoken else { return }
        wasWoken = false
        counters.add(.wakes)
    }

    /// So many guests share the shard.
    mutating func setGuests(_ count: Int) {
        guests = count
        pool.pointee.share = count > 1 ? max(1, (space.largeCount - Self.linkReserve) / count) : 0
    }

    /// So many guests have a part in the turn: while there are several, none brings so many frames that others wait long.
    mutating func setActiveGuests(_ count: Int) {
        let shared = Self.sharedLinkBuffers
        let wanted =
            count < 2 ? Self.ringBuffers : max(shared.lowerBound, min(shared.upperBound, Self.turnFrames / count))
        // Links that are idle have a quarter of the pool at the most, however many there are.
        linkBuffers = min(wanted, max(Self.leastLinkBuffers, space.largeCount / 4 / max(1, guests)))
        receiveBuffers.limit = count < 2 ? Self.ringBufferLimit : Self.sharedRingBuffers
        activeGuests = count
    }

    /// How many frames the served guest's link may bring in this turn: its share, less the cost of sockets that its last
    /// frames have opened and closed. Zero while that cost is more than a share.
    mutating func frameAllowance() -> Int {
        let debt = debts + Int(tenant)
        // No other guest waits.
        if activeGuests < 2 { debt.pointee = 0 }
        let paid = min(Int(debt.pointee), linkBuffers)
        debt.pointee &-= Int32(truncatingIfNeeded: paid)
        return linkBuffers - paid
    }

    /// Charges the served guest for a socket that is opened or closed, which takes as long as several frames.
    @inline(__always)
    mutating func chargeSocket() {
        let debt = debts + Int(tenant)
        debt.pointee = min(Self.debtLimit, debt.pointee &+ Self.socketCost)
    }

    /// What the frames of the served guest have cost beyond their number since `frameAllowance`, in frames.
    @inline(__always)
    var debt: Int {
        mutating get { Int(debts[Int(tenant)]) }
    }

    /// Whether the guest has its share of buffers while they run short, and is to take no more.
    @inline(__always)
    var isBeyondShare: Bool {
        mutating get { pool.pointee.isBeyondShare }
    }

    // MARK: The turn

    /// Submits what is queued, and waits for a completion, mail or the deadline.
    ///
    /// - Returns: zero, or the `errno` that the ring failed with.
    mutating func wait(until deadline: UInt64?) -> Int32 {
        let (network, index) = (network, index)
        let hasLocalMail = !localMail.isEmpty
        let error = reactor.wait(until: deadline) { hasLocalMail || network.hasMail(for: index) }
        if bytesThisTurn > Self.bulkTurn { reactor.busyPoll.discourage() }
        bytesThisTurn = 0
        return error
    }

    /// The first half of `wait`, for a shard that is stepped: up to where the thread would sleep.
    mutating func beginSleep(until deadline: UInt64?) -> Int32 {
        let (network, index) = (network, index)
        let hasLocalMail = !localMail.isEmpty
        return reactor.beginSleep(until: deadline) { hasLocalMail || network.hasMail(for: index) }
    }

    /// The other half.
    mutating func endSleep() {
        reactor.endSleep()
        bytesThisTurn = 0
    }

    // MARK: Operations

    /// Cancels the operation with this tag, which completes all the same.
    mutating func cancel(_ tag: OperationTag) { reactor.ring.cancel(tag, Operation.ignored.tag()) }

    /// Cancels all operations on a descriptor, which complete all the same. It may be closed when this returns.
    mutating func cancelAll(of descriptor: Int32) {
        reactor.ring.cancelAll(of: descriptor, Operation.ignored.tag())
        // The kernel looks the descriptor up when it takes the cancel.
        reactor.ring.submitAll()
    }

    /// Closes a descriptor on which operations may be in flight; `reset` has the peer of a stream see RST.
    mutating func close(_ descriptor: Int32, reset: Bool) {
        chargeSocket()
        reactor.ring.closing(descriptor)
        Endpoint.close(descriptor, reset: reset)
    }

    /// Receives datagrams with sender and control data into `receiveBuffers`, multishot (`ReceivedDatagram`).
    mutating func receiveDatagrams(_ descriptor: Int32, _ tag: OperationTag) {
        reactor.ring.receiveMessageMultishot(descriptor, receiveTemplate, group: Self.hostGroup, tag)
    }

    // MARK: Buffers

    /// The buffer of `receiveBuffers` that a completion filled, which is the guest's from here on; or `none`.
    @inline(__always)
    mutating func takeBuffer(_ completion: Completion) -> Lease {
        guard completion.hasBuffer else { return .none }
        let lease = receiveBuffers.take(completion.bufferIdentifier)
        pool.pointee.charge(lease)
        return lease
    }

    @inline(__always)
    mutating func release(_ lease: Lease) { pool.pointee.release(lease) }

    /// The same where there may be none.
    @inline(__always)
    mutating func releaseAny(_ lease: Lease) {
        if !lease.isNone { pool.pointee.release(lease) }
    }

    /// A receive has found no buffer: the next refill puts in more.
    mutating func countStarvedReceive() {
        counters.add(.receivesStarved)
        starvedReceives += 1
    }

    /// Puts buffers where the kernel looks for them; between two guests.
    ///
    /// - Parameter isPaused: the only link is congested, so that nothing is to be received from host sockets.
    mutating func refill(isPaused: Bool) {
        while starvedReceives > 0 {
            starvedReceives -= 1
            if !isPaused { receiveBuffers.grow() }
        }
        if !isPaused { receiveBuffers.refill(from: pool) }
    }

    /// Messages of a guest's in the kernel's hands.
    mutating func messageCount(of slot: UInt16) -> Int { Int(messageCounts[Int(slot)]) }

    /// A place for a message of the guest's; `nil` when it has its share of them.
    mutating func insertMessage(_ message: SendMessage = SendMessage()) -> Handle? {
        let limit = Self.messagesOfGuest
        let share = max(limit.lowerBound, min(limit.upperBound, Self.messageLimit / max(1, guests)))
        guard messageCounts[Int(tenant)] < share, let place = messages.insert(message) else { return nil }
        messageCounts[Int(tenant)] &+= 1
        return place
    }

    /// Frees a message of the guest's and its buffers.
    mutating func releaseMessage(_ slot: UInt32) {
        guard let message = messages.pointer(inSlot: slot) else { return }
        for index in 0..<message.pointee.count { pool.pointee.release(message.pointee.leases[index]) }
        messages.remove(slot: slot)
        messageCounts[Int(tenant)] &-= 1
    }

    // MARK: Mail

    /// Posts to another guest, or to this one on another queue: within the shard, or to another shard, which is woken where
    /// needed. False when there is no room; the message is the caller's still.
    @inline(__always)
    mutating func post(_ message: ShardMessage) -> Bool {
        let shard = Int(message.place.shard)
        return shard == index ? localMail.post(message) : post(message, to: shard)
    }

    private mutating func post(_ message: ShardMessage, to other: Int) -> Bool {
        guard network.mailbox(to: other, from: index).post(message) else { return false }
        network.withDoorbell(of: other) { reactor.wake($0, Operation.mail.tag()) }
        return true
    }

    /// Messages of one shard that are read in a turn.
    static var mailBudget: Int { 256 }

    /// Shards that post to each other.
    var shards: Int { network.count }

    /// Messages that guests of this shard have posted to each other.
    @inline(__always)
    mutating func takeLocalMail() -> ShardMessage? { localMail.take() }

    /// The next message that another shard has posted here.
    @inline(__always)
    mutating func takeMail(from sender: Int) -> ShardMessage? { network.mailbox(to: index, from: sender).take() }

    /// Sends home the leases of other shards that were released here.
    mutating func flushStrays() {
        guard pool.pointee.strayCount > 0 else { return }
        for other in 0..<network.count where other != index {
            let chain = pool.pointee.takeStrays(of: other)
            guard !chain.isNone else { continue }
            if !post(ShardMessage(leases: chain), to: other) { pool.pointee.keepStrays(chain, of: other) }
        }
    }
}

extension SystemError {
    /// What `make` returns; a failure to allocate memory becomes `ENOMEM`.
    static func orMemory<Value: ~Copyable>(
        _ make: () throws(MemoryFailure) -> Value
    ) throws(SystemError) -> Value {
        do throws(MemoryFailure) { return try make() } catch { throw SystemError(error) }
    }
}
