internal import CRingway
internal import Glibc
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem

/// The resources of a shard's thread that all its guests share: the ring and its clock, the buffers, the messages in
/// flight, and the mail to other guests and shards. The core is passed to the methods of components, which keep no
/// reference to it.
///
/// The core knows which guest is being served (`serve`). Until the next call of `serve` or `leave`, operations are
/// submitted, leased buffers charged and events counted for that guest.
///
/// Many members that change nothing are `mutating`, too: otherwise the compiler would pass `self` to them by value.
struct ShardCore: ~Copyable {
    /// Operations of the shard itself.
    enum Operation: UInt8, ShardOperation {
        /// An operation whose result is ignored.
        case ignored = 0
        /// A read of the doorbell's eventfd.
        case bell
        /// A message from the ring of another shard, which has posted mail (IORING_OP_MSG_RING).
        case mail

        static var owner: OperationOwner { .shard }
    }

    /// The usual number of buffers in a buffer ring: few, so that they stay in the L2 cache. The host sockets' ring
    /// may grow to `ringBufferLimit`.
    static var ringBuffers: Int { 32 }
    private static var ringBufferLimit: Int { 512 }
    /// The limit of the host sockets' buffer ring while several guests are active. It is lower than `ringBufferLimit`,
    /// to bound how much one guest's sockets receive while the others wait.
    private static var sharedRingBuffers: Int { 128 }
    /// Large buffers that host sockets leave free for frames from the guest, so that its acknowledgements are always
    /// read.
    static var linkReserve: Int { 24 }
    /// The buffer group of all host sockets. The group of a guest's link is the guest's slot, which is never zero.
    static var hostGroup: UInt16 { 0 }

    /// If a turn moves more bytes than this, the shard stops busy polling: the threads that receive the data need the
    /// processor more than this thread.
    private static var bulkTurn: Int { 8_192 }

    /// Bytes that a multishot `recvmsg` reserves before the payload for the sender's address and for control data.
    static var nameRoom: UInt32 { 32 }
    static var controlRoom: Int { 128 }

    let index: Int
    /// The counters of the guest that is being served.
    private(set) var counters: Counters
    /// The shard's counters, for events that belong to no guest.
    private let ownCounters: Counters
    /// The slot of the guest that is being served; zero if there is none.
    private(set) var tenant: UInt16 = 0
    /// The ring's count of submissions when `serve` was called.
    private var submissionsBefore: UInt64 = 0
    /// The number of guests on the shard.
    private(set) var guests = 0
    private var wasWoken = false
    private var turnShares: TurnShares
    let pool: UnsafeMutablePointer<BufferPool>
    let space: BufferSpace
    var reactor: Reactor
    /// The buffers into which host sockets receive.
    var receiveBuffers: LeaseRing
    /// The `sendmsg` operations in flight. `messageCounts` has their number for each guest's slot.
    private(set) var messages: Slab<SendMessage>
    private let messageCounts: UnsafeMutablePointer<Int32>
    private static var messageLimit: Int { 8_192 }
    private static var messagesOfGuest: ClosedRange<Int> { 64...1_024 }
    /// Bytes of this turn's frames from guests and neighbours, TCP data from host sockets, and relayed data.
    var bytesThisTurn = 0
    /// The header of every multishot `recvmsg`: it sets the space for the sender's address and for control data.
    private let receiveTemplate: UnsafeMutablePointer<msghdr>
    private let network: ShardNetwork
    private var localMail: LocalMail
    /// Receives that found no buffer since the last refill.
    private var starvedReceives = 0

    /// - Parameters:
    ///   - pool: the shard's buffers. Each is charged to an owner: a guest, by the number of its slot, or the shard,
    ///     which is owner 0.
    ///   - counters: for events that belong to no guest.
    init(
        index: Int, network: ShardNetwork, busyPoll: UInt64, ring: consuming Ring,
        pool: UnsafeMutablePointer<BufferPool>, counters: Counters
    ) throws(SystemError) {
        // Everything that may fail comes first, so that an error never leaves `self` partly initialised.
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
        let turnShares = try SystemError.orMemory { () throws(MemoryFailure) -> TurnShares in
            try TurnShares(largeBuffers: pool.pointee.space.largeCount)
        }
        (receiveTemplate, messageCounts) = try SystemError.orMemory { () throws(MemoryFailure) in
            var blocks = MemoryBlocks()
            let template = try blocks.apart(1, of: msghdr.self)
            let counts = try blocks.apart(ShardSet.guestLimit + 1, of: Int32.self)
            blocks.keep()
            return (template, counts)
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
        self.turnShares = turnShares
        self.network = network
        messageCounts.initialize(repeating: 0, count: ShardSet.guestLimit + 1)
        receiveTemplate.initialize(to: msghdr())
        receiveTemplate.pointee.msg_namelen = Self.nameRoom
        receiveTemplate.pointee.msg_controllen = Self.controlRoom
    }

    deinit {
        receiveTemplate.deallocate()
        messageCounts.deallocate()
    }

    /// Enables the ring. Called on the thread that drives it.
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

    /// Starts to serve the guest in a slot, until `leave` or the next call.
    @inline(__always)
    mutating func serve(_ slot: UInt16, _ guestCounters: Counters) {
        tenant = slot
        reactor.ring.tenant = slot
        pool.pointee.owner = slot
        counters = guestCounters
        submissionsBefore = reactor.ring.submissions
    }

    /// Stops serving the current guest. Returns the number of operations that were submitted while it was served.
    @inline(__always)
    mutating func leave() -> Int {
        tenant = 0
        reactor.ring.tenant = 0
        pool.pointee.owner = 0
        counters = ownCounters
        return Int(reactor.ring.submissions &- submissionsBefore)
    }

    /// Another shard has woken this one. The wake is counted for the first guest whose mail is read.
    mutating func noteWake() { wasWoken = true }

    mutating func countWake() {
        guard wasWoken else { return }
        wasWoken = false
        counters.add(.wakes)
    }

    /// Sets the number of guests on the shard, and with it each guest's share of the large buffers.
    mutating func setGuests(_ count: Int) {
        guests = count
        pool.pointee.share = count > 1 ? max(1, (space.largeCount - Self.linkReserve) / count) : 0
    }

    /// Sets the number of active guests. While several are active, each link, and all host sockets together, may read
    /// less in a turn than with one active guest, so that no guest waits long.
    mutating func setActiveGuests(_ count: Int) {
        turnShares.begin(active: count, guests: guests)
        receiveBuffers.limit = count < 2 ? Self.ringBufferLimit : Self.sharedRingBuffers
    }

    /// The number of frames that the served guest's link may read in this turn, if their size is about `size` bytes
    /// (`TurnShares.frames`). If the guest has used up its share of buffers, its link is read slowly, but not
    /// stopped: acknowledgements from the guest free buffers.
    mutating func frameAllowance(ofSize size: Int) -> Int {
        let share = turnShares.frames(for: tenant, ofSize: size)
        return isBeyondShare ? min(share, TurnShares.leastFrames) : share
    }

    /// Charges the served guest for opening or closing a socket.
    @inline(__always)
    mutating func chargeSocket() { turnShares.chargeSocket(to: tenant) }

    /// The cost in frames of the sockets that the served guest has opened and closed, not yet deducted from its
    /// allowance.
    @inline(__always)
    var debt: Int {
        mutating get { turnShares.debt(of: tenant) }
    }

    /// Whether buffers are scarce and the served guest has used up its share, so that it should take no more.
    @inline(__always)
    var isBeyondShare: Bool {
        mutating get { pool.pointee.isBeyondShare }
    }

    // MARK: The turn

    /// Submits queued operations, and waits for a completion, mail or the deadline.
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

    /// The first half of `wait`, up to the point where a thread would sleep; for `SteppedShards`.
    mutating func beginSleep(until deadline: UInt64?) -> Int32 {
        let (network, index) = (network, index)
        let hasLocalMail = !localMail.isEmpty
        return reactor.beginSleep(until: deadline) { hasLocalMail || network.hasMail(for: index) }
    }

    /// The second half of `wait`.
    mutating func endSleep() {
        reactor.endSleep()
        bytesThisTurn = 0
    }

    // MARK: Operations

    /// Cancels the operation with this tag. The operation still completes.
    mutating func cancel(_ tag: OperationTag) { reactor.ring.cancel(tag, Operation.ignored.tag()) }

    /// Cancels all operations on a descriptor; they still complete. The caller may then close the descriptor.
    mutating func cancelAll(of descriptor: Int32) {
        reactor.ring.cancelAll(of: descriptor, Operation.ignored.tag())
        // The kernel resolves the descriptor when the cancel is submitted, so the submission must precede the close.
        reactor.ring.submitAll()
    }

    /// Closes a descriptor on which operations may be in flight. With `reset`, the peer of a stream sees RST.
    mutating func close(_ descriptor: Int32, reset: Bool) {
        chargeSocket()
        reactor.ring.closing(descriptor)
        Endpoint.close(descriptor, reset: reset)
    }

    /// Arms a multishot receive of datagrams, with sender and control data, into `receiveBuffers`
    /// (`ReceivedDatagram`).
    mutating func receiveDatagrams(_ descriptor: Int32, _ tag: OperationTag) {
        reactor.ring.receiveMessageMultishot(descriptor, receiveTemplate, group: Self.hostGroup, tag)
    }

    // MARK: Buffers

    /// The buffer of `receiveBuffers` that a completion filled, now charged to the guest; `none` if there is none.
    @inline(__always)
    mutating func takeBuffer(_ completion: Completion) -> Lease {
        guard completion.hasBuffer else { return .none }
        let lease = receiveBuffers.take(completion.bufferIdentifier)
        pool.pointee.charge(lease)
        return lease
    }

    @inline(__always)
    mutating func release(_ lease: Lease) { pool.pointee.release(lease) }

    /// Releases a lease that may be `none`.
    @inline(__always)
    mutating func releaseAny(_ lease: Lease) {
        if !lease.isNone { pool.pointee.release(lease) }
    }

    /// Counts a receive that found no buffer. The next refill provides more buffers.
    mutating func countStarvedReceive() {
        counters.add(.receivesStarved)
        starvedReceives += 1
    }

    /// Refills the buffer ring of the host sockets. Called while no guest is served.
    ///
    /// - Parameter isPaused: whether the only guest's link is congested, so that host sockets should not be read.
    mutating func refill(isPaused: Bool) {
        while starvedReceives > 0 {
            starvedReceives -= 1
            if !isPaused { receiveBuffers.grow() }
        }
        if !isPaused { receiveBuffers.refill(from: pool) }
    }

    /// The number of a guest's `sendmsg` operations in flight.
    mutating func messageCount(of slot: UInt16) -> Int { Int(messageCounts[Int(slot)]) }

    /// Stores the message of a `sendmsg` of the served guest; `nil` if the guest has used up its share of messages or
    /// the table is full.
    mutating func insertMessage(_ message: SendMessage = SendMessage()) -> Handle? {
        let limit = Self.messagesOfGuest
        let share = max(limit.lowerBound, min(limit.upperBound, Self.messageLimit / max(1, guests)))
        guard messageCounts[Int(tenant)] < share, let place = messages.insert(message) else { return nil }
        messageCounts[Int(tenant)] &+= 1
        return place
    }

    /// Removes a message of the served guest and releases its buffers.
    mutating func releaseMessage(_ slot: UInt32) {
        guard let message = messages.pointer(inSlot: slot) else { return }
        for index in 0..<message.pointee.count { pool.pointee.release(message.pointee.leases[index]) }
        messages.remove(slot: slot)
        messageCounts[Int(tenant)] &-= 1
    }

    // MARK: Mail

    /// Posts a message to another guest, or to another part of the same guest. If the receiver is on another shard,
    /// that shard is woken if it sleeps. Returns false if the queue is full; the caller then still owns the message's
    /// content.
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

    /// The most messages read from one sender per turn.
    static var mailBudget: Int { 256 }

    /// The number of shards that post to each other.
    var shards: Int { network.count }

    /// The next message from a guest of this shard to another.
    @inline(__always)
    mutating func takeLocalMail() -> ShardMessage? { localMail.take() }

    /// The next message from another shard.
    @inline(__always)
    mutating func takeMail(from sender: Int) -> ShardMessage? { network.mailbox(to: index, from: sender).take() }

    /// Returns released leases to the shards to which they belong.
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
    /// Calls `make`, and throws a failure to allocate memory as `ENOMEM`.
    static func orMemory<Value: ~Copyable>(
        _ make: () throws(MemoryFailure) -> Value
    ) throws(SystemError) -> Value {
        do throws(MemoryFailure) { return try make() } catch { throw SystemError(error) }
    }
}
