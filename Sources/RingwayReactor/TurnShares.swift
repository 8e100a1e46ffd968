internal import Synchronization

/// Divides a process's processor time among its guests.
///
/// ## Theory of operation
///
/// A shard that always has work, because its guest sends without pause, is *busy*: it uses all the time that the
/// scheduler grants. While fewer shards are busy than there are processors, one is free for guests with little traffic,
/// and for the programs that they talk to. If as many are busy as there are processors, a response that takes
/// microseconds waits for the time slices of all of them. Busy shards then pause after their turns, so that together
/// they use one processor less than there are.
///
/// They only pause while a shard of another guest has turns without being busy: a guest that is alone, and guests that
/// are all busy, may use every processor.
///
/// Each shard has its own `TurnShare`; only two words are shared between shards.
public final class TurnShares: Sendable {
    /// The shards of all networks in this process.
    public static let ofProcess = TurnShares(processors: ThreadUsage.processors)

    /// Nanoseconds for which the last turn of a shard that is not busy counts.
    static var memory: UInt64 { 20_000_000 }

    let processors: Int
    private let busy = Atomic(0)
    private let members = Atomic<UInt64>(0)
    /// The last turn of a shard that is not busy: microseconds, with its guest's number in the low 16 bits.
    private let lastModest = Atomic<UInt64>(0)

    init(processors: Int) { self.processors = max(1, processors) }

    /// A number for a new guest. Numbers repeat after 65,536 guests; two guests with the same number count as one.
    public func join() -> UInt16 {
        UInt16(truncatingIfNeeded: members.wrappingAdd(1, ordering: .relaxed).newValue)
    }

    /// Shards that are busy now.
    var busyShards: Int { busy.load(ordering: .relaxed) }

    func note(modest guest: UInt16, now: UInt64) {
        lastModest.store((now / 1_000) << 16 | UInt64(guest), ordering: .relaxed)
    }

    /// The last turn of another guest's shard that was not busy; zero if the last one was this guest's.
    func lastModest(otherThan guest: UInt16) -> UInt64 {
        let last = lastModest.load(ordering: .relaxed)
        return UInt16(truncatingIfNeeded: last) == guest ? 0 : (last >> 16) * 1_000
    }

    func change(busy count: Int) { busy.wrappingAdd(count, ordering: .relaxed) }

    /// The pause after `work` nanoseconds, with this many busy shards.
    static func pause(after work: UInt64, busy: Int, processors: Int) -> UInt64 {
        // A single processor is halved.
        let free = max(2 * (processors - 1), 1)
        let wanted = 2 * max(busy, 1)
        guard wanted > free else { return 0 }
        return work / UInt64(free) * UInt64(wanted - free)
    }
}

/// The state of one shard for `TurnShares`. Confined to the shard's thread.
public struct TurnShare: ~Copyable {
    /// Nanoseconds between two checks of the thread's usage, and between two records of a turn that is not busy.
    private static var window: UInt64 { 4_000_000 }
    private static var noteInterval: UInt64 { 1_000_000 }
    /// The shortest work that is followed by a pause, and the longest pause, because timers and mail are delayed by it,
    /// nanoseconds.
    private static var leastWork: UInt64 { 200_000 }
    private static var mostPause: UInt64 { 2_000_000 }
    /// The most waits per window of a busy thread.
    private static var mostWaits: UInt64 { 2 }

    private let shares: TurnShares
    private let guest: UInt16
    private var isBusy = false
    private var usage = ThreadUsage()
    private var windowStart: UInt64 = 0
    private var notedAt: UInt64 = 0
    /// The start of the work since the last pause.
    private var workStart: UInt64 = 0
    /// Pauses in this window: waits of the thread, but not for work.
    private var pauses: UInt64 = 0
    /// The last recorded turn of another guest's shard that was not busy.
    private var otherModestAt: UInt64 = 0

    public init(_ shares: TurnShares, guest: UInt16) {
        self.shares = shares
        self.guest = guest
    }

    deinit { if isBusy { shares.change(busy: -1) } }

    /// When a busy shard must have a turn even without work; `nil` for other shards. Otherwise a busy shard that goes
    /// to sleep would remain counted, and others would pause for it.
    @inline(__always)
    public var deadline: UInt64? {
        mutating get { isBusy ? windowStart &+ Self.window : nil }
    }

    /// Called between turns.
    ///
    /// - Parameters:
    ///   - turnStart: the clock reading of the last turn, monotonic nanoseconds.
    ///   - clock: reads the clock; called for busy shards only.
    ///   - used: the thread's usage; called once per window.
    /// - Returns: the pause in nanoseconds; usually zero.
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
        // A thread that is preempted is as busy as one that runs.
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
        // The next work starts after the pause.
        workStart = now &+ pause
        if pause > 0 { pauses += 1 }
        return pause
    }
}
