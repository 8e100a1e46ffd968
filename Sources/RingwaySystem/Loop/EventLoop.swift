internal import CRingway
internal import Glibc

/// Waits for descriptors and deadlines on one thread, by epoll(7).
///
/// ## Theory of operation
///
/// A `LoopMember` registers at most one descriptor, with what it waits for, and has at most one deadline. A turn waits
/// until something is ready or due, calls `ready` once for each member with an event, then `deadlinePassed` for each
/// whose time has come, then `resumed` for those that asked to go on. Nothing else calls members, and everything on one
/// loop happens one after the other.
///
/// **Stale events.** What epoll is told of a member is its place in a table and the generation of that place. A member
/// that is removed while a turn's events are dispatched, even if its descriptor's number or its place is another's by
/// then, gets no event that was not its own.
///
/// **Levels and edges.** A descriptor is told of in every turn for as long as it is ready: what a member does not take
/// now it is told of again, so bounded work needs no bookkeeping. Who waits for room asks for `.write` while there is
/// something to write, and who must not read (backpressure) asks for nothing. With `.edges` each change is told once:
/// for relays, which remember readiness themselves and would otherwise change what they wait for with every block.
///
/// **Bounds.** A turn takes at most `eventsPerTurn` events, as many deadlines as there were, and has each member go on
/// at most once. A member leaves others their turn by doing a bounded piece of its work and calling `resume`.
public final class EventLoop {
    /// What a member waits for. Errors and the end of both directions are told in any case.
    public struct Interest: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        public static var read: Interest { Interest(rawValue: EPOLLIN.rawValue) }
        public static var write: Interest { Interest(rawValue: EPOLLOUT.rawValue) }
        /// Each change is told once; for both directions.
        public static var edges: Interest {
            Interest(rawValue: EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue)
        }
    }

    /// What a descriptor tells.
    public struct Events: Sendable {
        let bits: UInt32

        /// There may be something to read, an end or an error included.
        public var isReadable: Bool {
            bits & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
        }
        /// There may be room, or an error.
        public var isWritable: Bool { bits & (EPOLLOUT.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 }
        /// The connection has failed, or has a message on its error queue.
        public var hasError: Bool { bits & EPOLLERR.rawValue != 0 }
        /// Failed, or ended in both directions: the next call on it says how.
        public var isBroken: Bool { bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 }
    }

    private struct Slot {
        var member: LoopMember?
        var generation: UInt32 = 0
    }

    /// Events that one turn takes; the others wait in the kernel.
    static var eventsPerTurn: Int { 256 }

    private let epoll: OwnedDescriptor
    private let events: UnsafeMutablePointer<epoll_event>
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var deadlines = DeadlineQueue()
    private var resuming: [LoopMember] = []

    /// When the present turn began to dispatch, in monotonic nanoseconds.
    public private(set) var now = MonotonicClock.now()

    public init() throws(SystemError) {
        let result = ringway_epoll_make()
        guard result >= 0 else { throw SystemError("cannot make an event queue", errno: -result) }
        epoll = OwnedDescriptor(adopting: result)
        events = .allocate(capacity: Self.eventsPerTurn)
        events.initialize(repeating: epoll_event(), count: Self.eventsPerTurn)
    }

    deinit { events.deallocate() }

    // MARK: Descriptors

    /// Members with a descriptor.
    public var registeredCount: Int { slots.count - freeSlots.count }

    /// Begins to wait for a descriptor, which stays the member's; it is removed before it is closed.
    ///
    /// - Returns: false, with `errno` set, where the kernel does not watch it: it is a file's, or there is no memory.
    @discardableResult
    public func register(_ member: LoopMember, descriptor: Int32, interest: Interest) -> Bool {
        precondition(member.registration == nil, "a member registers one descriptor")
        let slot = freeSlots.popLast() ?? slots.count
        if slot == slots.count { slots.append(Slot()) }
        guard control(EPOLL_CTL_ADD, descriptor, interest, slot) else {
            freeSlots.append(slot)
            return false
        }
        slots[slot].member = member
        member.registration = LoopMember.Registration(slot: slot, descriptor: descriptor, interest: interest)
        return true
    }

    /// Changes what a member waits for. With edges, what is ready now is told once more.
    public func setInterest(_ interest: Interest, of member: LoopMember) {
        guard let registration = member.registration, registration.interest != interest else { return }
        member.registration?.interest = interest
        _ = control(EPOLL_CTL_MOD, registration.descriptor, interest, registration.slot)
    }

    /// Waits for the member's descriptor no longer. Its deadline stays.
    public func deregister(_ member: LoopMember) {
        guard let registration = member.registration else { return }
        precondition(slots[registration.slot].member === member, "a member is registered with one loop")
        _ = control(EPOLL_CTL_DEL, registration.descriptor, [], registration.slot)
        slots[registration.slot].member = nil
        slots[registration.slot].generation &+= 1
        freeSlots.append(registration.slot)
        member.registration = nil
    }

    /// Forgets the member: nothing of it is called any more.
    public func remove(_ member: LoopMember) {
        deregister(member)
        deadlines.cancel(member)
        member.isResuming = false
    }

    /// Forgets all members, which may hold on to the loop.
    public func removeAll() {
        for slot in slots { if let member = slot.member { remove(member) } }
        deadlines.removeAll()
        for member in resuming { member.isResuming = false }
        resuming = []
    }

    private func control(_ operation: Int32, _ descriptor: Int32, _ interest: Interest, _ slot: Int) -> Bool {
        let tag = UInt64(slots[slot].generation) << 32 | UInt64(slot)
        let result = ringway_epoll_control(epoll.rawValue, operation, descriptor, interest.rawValue, tag)
        guard result < 0 else { return true }
        errno = -result
        return false
    }

    // MARK: Times

    /// Sets or moves a member's deadline, in monotonic nanoseconds.
    public func schedule(_ member: LoopMember, at instant: UInt64) { deadlines.schedule(member, at: instant) }

    public func cancelDeadline(of member: LoopMember) { deadlines.cancel(member) }

    /// Has a member go on once all events and deadlines of the turn have been handled; in the next turn, which does not
    /// wait, when it is going on already.
    public func resume(_ member: LoopMember) {
        guard !member.isResuming else { return }
        member.isResuming = true
        resuming.append(member)
    }

    // MARK: Turns

    /// One turn: waits until something is ready or due, and calls each such member once.
    public func runTurn() {
        let count = epoll_wait(epoll.rawValue, events, Int32(Self.eventsPerTurn), millisecondsToWait())
        now = MonotonicClock.now()
        for index in 0..<max(0, Int(count)) {
            let slot = slots[Int(truncatingIfNeeded: events[index].data.u64 & 0xFFFF_FFFF)]
            guard UInt64(slot.generation) == events[index].data.u64 >> 32 else { continue }
            slot.member?.ready(Events(bits: events[index].events))
        }
        for _ in 0..<deadlines.count {
            guard let member = deadlines.popPassed(now: now) else { break }
            member.deadlinePassed(now: now)
        }
        // Who asks again while these go on has to wait for the next turn.
        let continued = resuming
        resuming.removeAll(keepingCapacity: true)
        for member in continued where member.isResuming {
            member.isResuming = false
            member.resumed()
        }
    }

    /// Negative without a deadline.
    private func millisecondsToWait() -> Int32 {
        guard resuming.isEmpty else { return 0 }
        guard let soonest = deadlines.soonest else { return -1 }
        let now = MonotonicClock.now()
        guard soonest > now else { return 0 }
        // Rounded up, or the last part of a millisecond would be spent spinning.
        return Int32(min((soonest - now + 999_999) / 1_000_000, UInt64(Int32.max)))
    }
}
