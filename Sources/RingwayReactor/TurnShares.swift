internal import Synchronization

/// The processor time of one process, shared out among its guests.
///
/// ## Theory of operation
///
/// A shard that always finds work, because its guest sends without end, is *busy*: it takes whatever the scheduler gives
/// it. While fewer shards are busy than there are processors, one is free for those guests that want little, and for the
/// programs they talk to. When as many are busy, an answer that costs a guest microseconds waits behind the time slices
/// of all of them. Then each busy shard pauses after its turns, so that all busy shards together use one processor less
/// than there are.
///
/// They do so only as long as a shard of another guest has a turn now and then without being busy: a guest that is alone,
/// and guests that are all busy, have every processor.
///
/// A shard keeps a `TurnShare` of its own and shares nothing but two words.
public final class TurnShares: Sendable {
    /// For the shards of all networks in this process.
    public static let ofProcess = TurnShares(processors: ThreadUsage.processors)

    /// Nanoseconds for which the last turn of a modest guest counts.
    static var memory: UInt64 { 20_000_000 }

    let processors: Int
    private let busy = Atomic(0)
    private let members = Atomic<UInt64>(0)
    /// The last turn of a shard that is not busy: microseconds, and in the low 16 bits the number of its guest.
    private let lastModest = Atomic<UInt64>(0)

    init(processors: Int) { self.processors = max(1, processors) }

    /// A number for a guest that joins. Two guests that have the same one after 65,536 others are taken for one.
    public func join() -> UInt16 {
        UInt16(truncatingIfNeeded: members.wrappingAdd(1, ordering: .relaxed).newValue)
    }

    /// Shards that are busy now.
    var busyShards: Int { busy.load(ordering: .relaxed) }

    func note(modest guest: UInt16, now: UInt64) {
        lastModest.store((now / 1_000) << 16 | UInt64(guest), ordering: .relaxed)
    }

    /// The last turn of a modest shard of another guest; zero where the last was one of this guest's.
    func lastModest(otherThan guest: UInt16) -> UInt64 {
        let last = lastModest.load(ordering: .relaxed)
        return UInt16(truncatingIfNeeded: last) == guest ? 0 : (last >> 16) * 1_000
    }

    func change(busy count: Int) { busy.wrappingAdd(count, ordering: .relaxed) }

    /// How long a shard pauses after so many nanoseconds of work, with so many busy shards.
    static func pause(after work: UInt64, busy: Int, processors: Int) -> UInt64 {
        // The only processor is divided too.
        let free = max(2 * (processors - 1), 1)
        let wanted = 2 * max(busy, 1)
        guard wanted > free else { return 0 }
        return work / UInt64(free) * UInt64(wanted - free)
    }
}

/// One shard's part of `TurnShares`. Confined to the shard's thread.
public struct TurnShare: ~Copyable {
    /// Nanoseconds between two looks at what the thread has used, and between two notes that it is modest.
    private static var window: UInt64 { 4_000_000 }
    private static var noteInterval: UInt64 { 1_000_000 }
    /// Nanoseconds of work that are worth a pause, and the longest pause: timers and mail wait for it.
    private static var leastWork: UInt64 { 200_000 }
    private static var mostPause: UInt64 { 2_000_000 }
    /// Times that a thread may have waited for work in a window and still be busy.
    private static var mostWaits: UInt64 { 2 }

    private let shares: TurnShares
    private let guest: UInt16
    private var isBusy = false
    private var usage = ThreadUsage()
    private var windowStart: UInt64 = 0
    private var notedAt: UInt64 = 0
    /// When the work began that no pause has followed yet.
    private var workStart: UInt64 = 0
    /// Pauses in this window: the thread waited in them, but not for work.
    private var pauses: UInt64 = 0
    /// The last turn of a modest shard of another guest that was seen.
    private var otherModestAt: UInt64 = 0

    public init(_ shares: TurnShares, guest: UInt16) {
        self.shares = shares
        self.guest = guest
    }

    deinit { if isBusy { shares.change(busy: -1) } }

    /// When a busy shard is to have a turn even if it finds no work; `nil` for any other. One that sleeps would be counted
    /// as busy for as long as it sleeps, and others would pause for it.
    @inline(__always)
    public var deadline: UInt64? {
        mutating get { isBusy ? windowStart &+ Self.window : nil }
    }

    /// To be called between two turns.
    ///
    /// - Parameters:
    ///   - turnStart: the clock reading of the turn that has ended, monotonic nanoseconds.
    ///   - clock: reads the clock; asked of busy shards only.
    ///   - used: what the thread has used; asked once in a window.
    /// - Returns: nanoseconds that the thread is to pause for; zero for nearly all shards nearly always.
    @inline(__always)
    public mutating func pause(
        turnStart: UInt64, clock: () -> UInt64, used: @autoclosure () -> ThreadUsage
    ) -> UInt64 {
        if turnStart &- windowStart >= Self.window { look(turnStart, used()) }
        guard isBusy else {
            if turnStart &- notedAt >= Self.noteInterval {
                notedAt = turnStart
                shares.note(modest: guest, now: turnStart)
            }
            return 0
        }
        return busyPause(clock())
    }

    @inline(never)
    private mutating func look(_ now: UInt64, _ used: ThreadUsage) {
        let waits = used.waits &- usage.waits
        let (elapsed, worked) = (now &- windowStart, used.nanoseconds &- usage.nanoseconds)
        // A thread that other threads keep from running is as busy as one that runs.
        let isBusyNow = windowStart > 0 && waits <= pauses + Self.mostWaits && worked > elapsed / 16
        if isBusyNow != isBusy {
            isBusy = isBusyNow
            workStart = now
            shares.change(busy: isBusy ? 1 : -1)
        }
        usage = used
        windowStart = now
        pauses = 0
    }

    @inline(never)
    private mutating func busyPause(_ now: UInt64) -> UInt64 {
        let other = shares.lastModest(otherThan: guest)
        if other > 0 { otherModestAt = other }
        let busy = shares.busyShards
        guard busy >= shares.processors, otherModestAt > 0, otherModestAt &+ TurnShares.memory > now else {
            workStart = now
            return 0
        }
        let work = now &- workStart
        guard work >= Self.leastWork else { return 0 }
        let pause = min(TurnShares.pause(after: work, busy: busy, processors: shares.processors), Self.mostPause)
        // The next work begins after the pause, and is told from the clock's next reading.
        workStart = now &+ pause
        if pause > 0 { pauses += 1 }
        return pause
    }
}
