internal import CRingway
internal import Glibc

/// An event loop for descriptors and deadlines on one thread, using epoll(7).
///
/// ## Theory of operation
///
/// A `LoopMember` registers at most one descriptor, with the events that it is interested in, and has at most one
/// deadline. A turn waits until a descriptor is ready or a deadline passes, calls `ready` once for each member with an
/// event, then `deadlinePassed` for each passed deadline, then `resumed` for each member for which `resume` was
/// called. No other code makes these calls, and a loop makes them one after the other.
///
/// **Stale events.** epoll's user data is the member's index in a table and the generation of that entry. If a member
/// is removed while a turn's events are dispatched, events of its descriptor may still follow. They have an old
/// generation and are dropped, so that they do not reach another member that reuses the descriptor or the index.
///
/// **Level- and edge-triggered.** A level-triggered descriptor is reported in every turn while it is ready, so a member
/// that handles only part of its work needs no bookkeeping. A member sets its interest to `.write` while it has
/// something to write, and to nothing while it must not read (backpressure). With `.edges` each change is reported
/// once. Relays use this, because they remember readiness themselves, and would otherwise change their interest
/// whenever a call would block.
///
/// **Bounds.** A turn handles at most `eventsPerTurn` events, the deadlines that have passed when its wait ends, and
/// one `resumed` per member. A member with more work than it should do at once does part of it and calls `resume`.
public final class EventLoop {
    /// A member's interest. Errors and hang-up are always reported.
    public struct Interest: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        public static var read: Interest { Interest(rawValue: EPOLLIN.rawValue) }
        public static var write: Interest { Interest(rawValue: EPOLLOUT.rawValue) }
        /// Edge-triggered, in both directions.
        public static var edges: Interest {
            Interest(rawValue: EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue)
        }
    }

    /// The events of a descriptor.
    public struct Events: Sendable {
        let bits: UInt32

        /// Readable, end of file or error.
        public var isReadable: Bool {
            bits & (EPOLLIN.rawValue | EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0
        }
        /// Writable, closed or failed.
        public var isWritable: Bool { bits & (EPOLLOUT.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 }
        /// The connection has failed, or has a message on its error queue.
        public var hasError: Bool { bits & EPOLLERR.rawValue != 0 }
        /// The connection has failed, or is closed in both directions.
        public var isBroken: Bool { bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 }
    }

    private struct Slot {
        var member: LoopMember?
        var generation: UInt32 = 0
    }

    /// The most events that a turn handles. The kernel keeps further events for the next turn.
    static var eventsPerTurn: Int { 256 }

    private let epoll: OwnedDescriptor
    private let events: UnsafeMutablePointer<epoll_event>
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []
    private var deadlines = DeadlineQueue()
    private var resuming: [LoopMember] = []

    /// The start of the current turn's dispatch, in monotonic nanoseconds.
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

    /// The number of members that have registered a descriptor.
    public var registeredCount: Int { slots.count - freeSlots.count }

    /// Registers a member's descriptor. The member owns the descriptor, and deregisters it before closing it.
    ///
    /// - Returns: false, with `errno` set, if the kernel refuses: for example, the descriptor is a regular file's, or
    ///   there is no memory.
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

    /// Changes a member's interest. With `.edges`, current readiness is reported again.
    public func setInterest(_ interest: Interest, of member: LoopMember) {
        guard let registration = member.registration, registration.interest != interest else { return }
        member.registration?.interest = interest
        _ = control(EPOLL_CTL_MOD, registration.descriptor, interest, registration.slot)
    }

    /// Deregisters the member's descriptor. Its deadline stays.
    public func deregister(_ member: LoopMember) {
        guard let registration = member.registration else { return }
        _ = control(EPOLL_CTL_DEL, registration.descriptor, [], registration.slot)
        forget(member, registration)
    }

    private func forget(_ member: LoopMember, _ registration: LoopMember.Registration) {
        precondition(slots[registration.slot].member === member, "a member is registered with one loop")
        slots[registration.slot].member = nil
        slots[registration.slot].generation &+= 1
        freeSlots.append(registration.slot)
        member.registration = nil
    }

    /// Removes the member: none of its methods is called any more.
    public func remove(_ member: LoopMember) {
        deregister(member)
        deadlines.cancel(member)
        member.isResuming = false
    }

    /// Removes a member that closes its descriptor next. The kernel deregisters a descriptor that is closed, so this
    /// saves a system call. The file must have no other descriptor, because otherwise it would stay registered.
    public func removeForClosing(_ member: LoopMember) {
        if let registration = member.registration { forget(member, registration) }
        remove(member)
    }

    /// Removes all members. A member may hold a reference to the loop, which would otherwise never be freed.
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

    /// Makes the loop call the member's `resumed` after all events and deadlines of the turn. If `resumed` itself
    /// calls this, the loop calls `resumed` again in the next turn, which then does not wait.
    public func resume(_ member: LoopMember) {
        guard !member.isResuming else { return }
        member.isResuming = true
        resuming.append(member)
    }

    // MARK: Turns

    /// Runs one turn: waits until a descriptor is ready or a deadline passes, then calls the members concerned.
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
        // Members that call `resume` during this loop are resumed in the next turn.
        let continued = resuming
        resuming.removeAll(keepingCapacity: true)
        for member in continued where member.isResuming {
            member.isResuming = false
            member.resumed()
        }
    }

    /// The timeout for epoll_wait(2): zero if a member is to be resumed, negative (none) if there is no deadline.
    private func millisecondsToWait() -> Int32 {
        guard resuming.isEmpty else { return 0 }
        guard let soonest = deadlines.soonest else { return -1 }
        let now = MonotonicClock.now()
        guard soonest > now else { return 0 }
        // Rounded up, otherwise the last fraction of a millisecond would be a busy loop.
        return Int32(min((soonest - now + 999_999) / 1_000_000, UInt64(Int32.max)))
    }
}
