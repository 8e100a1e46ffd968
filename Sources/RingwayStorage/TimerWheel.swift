/// A hierarchical timer wheel with one timer for each number below its capacity. Scheduling, moving and cancelling a
/// timer take constant time (Varghese and Lauck, 1987).
///
/// Five levels of 64 slots; a tick is 2²⁰ ns (about a millisecond), so the wheel spans 2⁵⁰ ns, about 13 days. A timer
/// never expires early, and at most one tick late if `popExpired` is called in time. The caller passes the time.
public struct TimerWheel: ~Copyable {
    @usableFromInline static var tickShift: UInt64 { 20 }
    @usableFromInline static var levelBits: UInt64 { 6 }
    @usableFromInline static var levels: Int { 5 }
    @usableFromInline static var none: UInt32 { .max }

    @frozen @usableFromInline struct Node: BitwiseCopyable {
        @usableFromInline var deadline: UInt64
        @usableFromInline var next: UInt32
        @usableFromInline var previous: UInt32
        /// The chain that the node is on, or `none` if it is not scheduled.
        @usableFromInline var chain: UInt32
        @usableFromInline var padding: UInt32 = 0
    }

    @usableFromInline let nodes: UnsafeMutablePointer<Node>
    @usableFromInline let heads: UnsafeMutablePointer<UInt32>
    @usableFromInline let occupied: UnsafeMutablePointer<UInt64>
    @usableFromInline var current: UInt64
    @usableFromInline var initialised: UInt32 = 0
    @usableFromInline let capacity: UInt32
    /// The number of scheduled timers.
    public private(set) var count = 0

    /// - Parameter now: monotonic nanoseconds. A timer with an earlier deadline expires at the next tick.
    public init(capacity: Int, now: UInt64) throws(MemoryFailure) {
        var blocks = MemoryBlocks()
        let nodes = try blocks.apart(capacity, of: Node.self)
        let heads = try blocks.apart(Self.levels * 64, of: UInt32.self)
        let occupied = try blocks.apart(Self.levels, of: UInt64.self)
        blocks.keep()
        self.capacity = UInt32(capacity)
        self.nodes = nodes
        self.heads = heads
        self.occupied = occupied
        heads.initialize(repeating: Self.none, count: Self.levels * 64)
        occupied.initialize(repeating: 0, count: Self.levels)
        current = now >> Self.tickShift
    }

    deinit {
        nodes.deallocate()
        heads.deallocate()
        occupied.deallocate()
    }

    private mutating func node(_ timer: UInt32) -> UnsafeMutablePointer<Node> {
        precondition(timer < capacity)
        while initialised <= timer {
            (nodes + Int(initialised)).initialize(
                to: Node(deadline: 0, next: Self.none, previous: Self.none, chain: Self.none))
            initialised += 1
        }
        return nodes + Int(timer)
    }

    /// Whether the timer is scheduled.
    public func isScheduled(_ timer: UInt32) -> Bool { timer < initialised && nodes[Int(timer)].chain != Self.none }

    /// Sets `timer` to expire at `deadline` (monotonic nanoseconds), replacing an earlier setting.
    public mutating func schedule(_ timer: UInt32, at deadline: UInt64) {
        let entry = node(timer)
        if entry.pointee.chain != Self.none { unlink(timer) }
        entry.pointee.deadline = deadline
        link(timer)
    }

    /// Cancels the timer, if it is scheduled.
    public mutating func cancel(_ timer: UInt32) {
        guard isScheduled(timer) else { return }
        unlink(timer)
    }

    /// The first tick at or after `deadline`, so that a timer does not expire early.
    private static func tick(of deadline: UInt64) -> UInt64 {
        (deadline >> tickShift) &+ (deadline & ((1 << tickShift) &- 1) == 0 ? 0 : 1)
    }

    private mutating func link(_ timer: UInt32) {
        let entry = nodes + Int(timer)
        let tick = max(Self.tick(of: entry.pointee.deadline), current &+ 1)
        var distance = tick &- current
        var level = 0
        while level < Self.levels - 1 && distance >= 1 &<< (Self.levelBits &* UInt64(level &+ 1)) { level += 1 }
        let reach: UInt64 = 1 << (Self.levelBits * UInt64(Self.levels))
        distance = min(distance, reach - 1)
        let position = ((current &+ distance) &>> (Self.levelBits &* UInt64(level))) & 63
        let chain = UInt32(level * 64) + UInt32(position)
        entry.pointee.chain = chain
        entry.pointee.previous = Self.none
        entry.pointee.next = heads[Int(chain)]
        if entry.pointee.next != Self.none { nodes[Int(entry.pointee.next)].previous = timer }
        heads[Int(chain)] = timer
        occupied[level] |= 1 &<< position
        count += 1
    }

    private mutating func unlink(_ timer: UInt32) {
        let entry = nodes + Int(timer)
        let chain = Int(entry.pointee.chain)
        if entry.pointee.previous == Self.none {
            heads[chain] = entry.pointee.next
        } else {
            nodes[Int(entry.pointee.previous)].next = entry.pointee.next
        }
        if entry.pointee.next != Self.none { nodes[Int(entry.pointee.next)].previous = entry.pointee.previous }
        if heads[chain] == Self.none { occupied[chain / 64] &= ~(1 &<< UInt64(chain % 64)) }
        entry.pointee.chain = Self.none
        count -= 1
    }

    /// Whether `popExpired` has nothing to do, for example because it was called earlier in this tick. Cheaper than
    /// calling it.
    @inlinable @inline(__always) public func isQuiet(now: UInt64) -> Bool {
        current >= now &>> Self.tickShift && heads[Int(current & 63)] == Self.none
    }

    /// Removes and returns one expired timer, or `nil` if there is none. Callers repeat the call until it returns
    /// `nil`.
    public mutating func popExpired(now: UInt64) -> UInt32? {
        let target = now >> Self.tickShift
        while true {
            let position = Int(current & 63)
            if heads[position] != Self.none {
                let timer = heads[position]
                unlink(timer)
                if nodes[Int(timer)].deadline <= now { return timer }
                link(timer)
                continue
            }
            guard current < target else { return nil }
            advance(toward: target)
        }
    }

    /// Advances to the next tick that has timers or is a multiple of 64, at most to `target`. At a multiple of 64,
    /// moves timers down from coarser levels.
    private mutating func advance(toward target: UInt64) {
        if count == 0 {
            current = target
            return
        }
        // Skips empty ticks, but not a multiple of 64 ticks, at which timers of a coarser level are moved down.
        let inLevel = current & 63
        let ahead = inLevel == 63 ? 0 : occupied[0] & (~0 &<< (inLevel &+ 1))
        let boundary = (current | 63) &+ 1
        let next = ahead == 0 ? boundary : (current & ~63) | UInt64(ahead.trailingZeroBitCount)
        current = min(next, target)
        if current & 63 == 0 { cascade(level: 1) }
    }

    private mutating func cascade(level: Int) {
        guard level < Self.levels else { return }
        let position = Int((current >> (Self.levelBits * UInt64(level))) & 63)
        if position == 0 { cascade(level: level + 1) }
        let chain = level * 64 + position
        var timer = heads[chain]
        heads[chain] = Self.none
        occupied[level] &= ~(1 << UInt64(position))
        while timer != Self.none {
            let next = nodes[Int(timer)].next
            nodes[Int(timer)].chain = Self.none
            count -= 1
            relink(timer)
            timer = next
        }
    }

    /// Like `link`, but a timer that is due stays in the current tick, which the caller processes next.
    private mutating func relink(_ timer: UInt32) {
        let entry = nodes + Int(timer)
        let tick = Self.tick(of: entry.pointee.deadline)
        if tick <= current {
            let position = Int(current & 63)
            entry.pointee.chain = UInt32(position)
            entry.pointee.previous = Self.none
            entry.pointee.next = heads[position]
            if entry.pointee.next != Self.none { nodes[Int(entry.pointee.next)].previous = timer }
            heads[position] = timer
            occupied[0] |= 1 << UInt64(position)
            count += 1
        } else {
            link(timer)
        }
    }

    /// When to call `popExpired` next, in monotonic nanoseconds; `nil` if no timer is scheduled. If the next timer is
    /// on a coarse level, this is the start of its slot, so that the timer may not be due yet.
    public var nextDeadline: UInt64? {
        guard count > 0 else { return nil }
        if heads[Int(current & 63)] != Self.none { return current << Self.tickShift }
        var earliest = UInt64.max
        for level in 0..<Self.levels where occupied[level] != 0 {
            let shift = Self.levelBits * UInt64(level)
            let hand = (current >> shift) & 63
            let turn = (current >> shift) &- hand
            // Slots up to the current position belong to the level's next rotation.
            let later = hand == 63 ? 0 : occupied[level] & (~0 << (hand + 1))
            let position =
                later != 0
                ? UInt64(later.trailingZeroBitCount) : UInt64(occupied[level].trailingZeroBitCount) &+ 64
            earliest = min(earliest, (turn &+ position) << shift)
        }
        return earliest << Self.tickShift
    }
}
