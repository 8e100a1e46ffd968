internal import RingwayStorage

/// How many frames each guest's link may read in a turn of its shard, which bounds how long each guest waits for the
/// others.
///
/// While one guest is active, its link may read a full ring of buffers. Several active guests divide a number of
/// frames per turn, and a number of bytes, because a frame of up to 64 KiB (TSO) takes longer than a short one.
/// Frames that open or close sockets take longer than others; their cost is deducted from the guest's later frames.
struct TurnShares: ~Copyable {
    /// The number of frames per turn that the active guests' links divide, and the bounds of one link's part of it.
    private static var frames: Int { 64 }
    private static var linkFrames: ClosedRange<Int> { 8...16 }
    /// The number of bytes per turn that the active guests' links divide, and the bounds of one link's part of it.
    private static var bytes: Int { 1 << 20 }
    private static var linkBytes: ClosedRange<Int> { 256 << 10...512 << 10 }
    /// If the pool is small, a link may still read this many frames. If the guest has used up its share of buffers, its
    /// link may read no more than this.
    static var leastFrames: Int { 4 }
    /// The cost of opening or closing a socket, and the most that a guest can owe for it, both in frames.
    private static var socketCost: Int32 { 4 }
    private static var debtLimit: Int32 { 4_096 }

    private let largeBuffers: Int
    /// For each slot, the cost in frames of opened and closed sockets that `frames` has not yet deducted.
    private let debts: UnsafeMutablePointer<Int32>
    private var linkFrames = ShardCore.ringBuffers
    private var linkBytes = Int.max
    private var activeGuests = 0

    /// - Parameter largeBuffers: the number of large buffers in the shard's pool.
    init(largeBuffers: Int) throws(MemoryFailure) {
        debts = try .allocateApart(capacity: ShardSet.guestLimit + 1)
        debts.initialize(repeating: 0, count: ShardSet.guestLimit + 1)
        self.largeBuffers = largeBuffers
    }

    deinit { debts.deallocate() }

    /// Begins a turn.
    ///
    /// - Parameters:
    ///   - active: the number of active guests.
    ///   - guests: the number of all guests.
    mutating func begin(active: Int, guests: Int) {
        activeGuests = active
        let (frames, bytes) = (Self.linkFrames, Self.linkBytes)
        let wanted =
            active < 2
            ? ShardCore.ringBuffers : max(frames.lowerBound, min(frames.upperBound, Self.frames / active))
        // The rings of idle links hold at most a quarter of the pool in total, except that each may hold
        // `leastFrames`.
        linkFrames = min(wanted, max(Self.leastFrames, largeBuffers / 4 / max(1, guests)))
        linkBytes = active < 2 ? .max : max(bytes.lowerBound, min(bytes.upperBound, Self.bytes / active))
    }

    /// The number of frames that a guest's link may read in this turn: its share, less the cost of sockets that its
    /// previous frames opened and closed. Zero if that cost is the share or more.
    ///
    /// - Parameter size: the typical size of the guest's frames, in bytes.
    mutating func frames(for slot: UInt16, ofSize size: Int) -> Int {
        let debt = debts + Int(slot)
        // The cost matters only to other active guests. If there are none, it is not deducted.
        if activeGuests < 2 { debt.pointee = 0 }
        let share = min(linkFrames, max(1, linkBytes / max(1, size)))
        let paid = min(Int(debt.pointee), share)
        debt.pointee &-= Int32(truncatingIfNeeded: paid)
        return share - paid
    }

    /// Charges a guest for opening or closing a socket.
    @inline(__always)
    mutating func chargeSocket(to slot: UInt16) {
        let debt = debts + Int(slot)
        debt.pointee = min(Self.debtLimit, debt.pointee &+ Self.socketCost)
    }

    /// The cost in frames of the sockets that a guest has opened and closed, not yet deducted by `frames`.
    @inline(__always)
    func debt(of slot: UInt16) -> Int { Int(debts[Int(slot)]) }
}
