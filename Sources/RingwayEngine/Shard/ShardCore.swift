internal import CRingway
internal import Glibc
internal import RingwayLinks
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// What belongs to a shard's thread rather than to the guest that it serves: the ring and its clock, the buffers, the
/// messages in flight, and the mail to other shards. Components are lent it for each call and keep no part of it.
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

    /// Buffers in each of the two buffer rings: few, so that they stay in the second-level cache, and at the most.
    static var ringBuffers: Int { 32 }
    private static var ringBufferLimit: Int { 512 }
    /// Large buffers that host sockets leave for frames from the guest, so that acknowledgements always get in.
    static var linkReserve: Int { 24 }
    /// The numbers of the buffer rings.
    static var linkGroup: UInt16 { 0 }
    static var hostGroup: UInt16 { 1 }
    static var neighborGroup: UInt16 { 2 }

    /// Bytes moved in one turn from which on the processor is better left to others than kept in wait for more.
    private static var bulkTurn: Int { 8_192 }

    /// Bytes that a multishot `recvmsg` keeps for the sender's name and for control data before the payload.
    static var nameRoom: UInt32 { 32 }
    static var controlRoom: Int { 128 }

    let index: Int
    let counters: Counters
    let pool: UnsafeMutablePointer<BufferPool>
    let space: BufferSpace
    var reactor: Reactor
    /// Buffers that host sockets receive into.
    var receiveBuffers: LeaseRing
    /// Messages in the kernel's hands.
    var messages: Slab<SendMessage>
    /// Bytes that guests have sent and host sockets have received in this turn.
    var bytesThisTurn = 0
    /// The shard's part of the process's processor time.
    private var turnShare: TurnShare
    /// What every multishot `recvmsg` points to: how much room name and control data have.
    private let receiveTemplate: UnsafeMutablePointer<msghdr>
    private let network: ShardNetwork
    /// Receives that have found no buffer since the last refill.
    private var starvedReceives = 0

    init(
        index: Int, shared: EngineShared, ring: consuming Ring, pool: UnsafeMutablePointer<BufferPool>,
        counters: Counters
    ) throws(RingError) {
        // What may fail comes before any stored property is set.
        let receiveBuffers = try LeaseRing(
            &ring, capacity: Self.ringBufferLimit, least: Self.ringBuffers, group: Self.hostGroup,
            headroom: Stack.headroom, reserve: Self.linkReserve)
        let reactor = try Reactor(
            ring: ring, doorbell: shared.network.doorbell(of: index),
            busyPoll: BusyPoll(limit: shared.configuration.busyPoll))
        let messages = try RingError.orMemory { () throws(MemoryFailure) -> Slab<SendMessage> in
            try Slab(capacity: 1_024)
        }
        receiveTemplate = try RingError.orMemory { () throws(MemoryFailure) -> UnsafeMutablePointer<msghdr> in
            try .allocateApart(capacity: 1)
        }
        self.index = index
        self.counters = counters
        self.pool = pool
        space = pool.pointee.space
        self.reactor = reactor
        self.receiveBuffers = receiveBuffers
        self.messages = messages
        network = shared.network
        turnShare = TurnShare(.ofProcess, guest: shared.turnMember)
        receiveTemplate.initialize(to: msghdr())
        receiveTemplate.pointee.msg_namelen = Self.nameRoom
        receiveTemplate.pointee.msg_controllen = Self.controlRoom
    }

    deinit { receiveTemplate.deallocate() }

    /// This turn's clock reading, monotonic nanoseconds.
    @inline(__always)
    var now: UInt64 {
        mutating get { reactor.now }
    }

    // MARK: The turn

    /// Submits what is queued, and waits for a completion, mail or the deadline.
    ///
    /// - Returns: zero, or the `errno` that the ring failed with.
    mutating func wait(until deadline: UInt64?) -> Int32 {
        let network = network
        let index = index
        counters.set(.buffersLeased, pool.pointee.leased)
        var deadline = deadline
        if let look = turnShare.deadline { deadline = min(deadline ?? .max, look) }
        let error = reactor.wait(until: deadline) { network.hasMail(for: index) }
        counters.add(.turns)
        if bytesThisTurn > Self.bulkTurn { reactor.busyPoll.discourage() }
        bytesThisTurn = 0
        return error
    }

    /// The first half of `wait`, for a shard that is stepped: up to where the thread would sleep.
    mutating func beginSleep(until deadline: UInt64?) -> Int32 {
        let (network, index) = (network, index)
        return reactor.beginSleep(until: deadline) { network.hasMail(for: index) }
    }

    /// The other half.
    mutating func endSleep() {
        reactor.endSleep()
        bytesThisTurn = 0
    }

    /// Pauses after a turn where guests that want little would have no processor otherwise.
    mutating func leaveProcessor() {
        let pause = turnShare.pause(turnStart: reactor.now, clock: Reactor.clock, used: reactor.usage)
        guard pause > 0 else { return }
        counters.add(.turnsDelayed)
        ringway_pause_thread(pause)
    }

    // MARK: Operations

    /// Cancels the operation with this tag, which completes all the same.
    mutating func cancel(_ tag: OperationTag) { reactor.ring.cancel(tag, Operation.ignored.tag()) }

    /// Closes a descriptor on which operations may be in flight; `reset` has the peer of a stream see RST.
    mutating func close(_ descriptor: Int32, reset: Bool) {
        reactor.ring.closing(descriptor)
        Endpoint.close(descriptor, reset: reset)
    }

    /// Receives datagrams with sender and control data into `receiveBuffers`, multishot (`ReceivedDatagram`).
    mutating func receiveDatagrams(_ descriptor: Int32, _ tag: OperationTag) {
        reactor.ring.receiveMessageMultishot(descriptor, receiveTemplate, group: Self.hostGroup, tag)
    }

    // MARK: Buffers

    /// The buffer of `receiveBuffers` that a completion filled, which is the caller's from here on; or `none`.
    @inline(__always)
    mutating func takeBuffer(_ completion: Completion) -> Lease {
        completion.hasBuffer ? receiveBuffers.take(completion.bufferIdentifier) : .none
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

    /// Puts buffers where the kernel looks for them.
    ///
    /// - Parameter isPaused: the link is congested, so that nothing is to be received from host sockets.
    mutating func refill(isPaused: Bool) {
        while starvedReceives > 0 {
            starvedReceives -= 1
            if !isPaused { receiveBuffers.grow() }
        }
        if !isPaused { receiveBuffers.refill(from: pool) }
    }

    /// Frees a message and its buffers.
    mutating func releaseMessage(_ slot: UInt32) {
        guard let message = messages.pointer(inSlot: slot) else { return }
        for index in 0..<message.pointee.count { pool.pointee.release(message.pointee.leases[index]) }
        messages.remove(slot: slot)
    }

    // MARK: Mail

    /// Posts to another shard and wakes it where needed. False when its mailbox is full.
    mutating func post(_ message: ShardMessage, to other: Int) -> Bool {
        guard network.mailbox(to: other, from: index).post(message) else { return false }
        network.withDoorbell(of: other) { reactor.wake($0, Operation.mail.tag()) }
        return true
    }

    /// Messages of one shard that are read in a turn.
    static var mailBudget: Int { 256 }

    /// Shards that post to each other.
    var shards: Int { network.count }

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

extension RingError {
    /// What `make` returns; a failure of memory becomes the ring's.
    static func orMemory<Value: ~Copyable>(
        _ make: () throws(MemoryFailure) -> Value
    ) throws(RingError) -> Value {
        do throws(MemoryFailure) { return try make() } catch { throw RingError(error) }
    }
}
