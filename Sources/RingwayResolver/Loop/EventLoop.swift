internal import Glibc

/// Waits for descriptors and deadlines on one thread.
///
/// `poll(2)` and not `epoll(7)`: most descriptors here live for one DNS query, and registering, re-arming and removing
/// each of them would cost more system calls than the query itself. A turn looks at as many entries as there are
/// descriptors, a handful as a rule and bounded by the resolver's limits.
final class EventLoop {
    struct Interest: OptionSet {
        let rawValue: Int16
        static let read = Interest(rawValue: Int16(POLLIN))
        static let write = Interest(rawValue: Int16(POLLOUT))
    }

    /// Room for one message of any size and what frames it. Shared by all reads: what is wanted is copied out.
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 64)

    private var entries: [pollfd] = []
    private var members: [LoopMember] = []
    private var deadlines = DeadlineQueue()
    private var readyMembers: [(member: LoopMember, isBroken: Bool)] = []

    deinit { scratch.deallocate() }

    func register(_ member: LoopMember, descriptor: Descriptor, interest: Interest) {
        precondition(member.registration == nil && descriptor.isOpen)
        entries.append(pollfd(fd: descriptor.rawValue, events: interest.rawValue, revents: 0))
        members.append(member)
        member.setRegistration(members.count - 1)
    }

    func setInterest(_ interest: Interest, of member: LoopMember) {
        guard let slot = member.registration else { return }
        entries[slot].events = interest.rawValue
    }

    /// Forgets the member: neither its descriptor nor its deadline will wake it.
    func remove(_ member: LoopMember) {
        deadlines.cancel(member)
        guard let slot = member.registration else { return }
        member.setRegistration(nil)
        let lastEntry = entries.removeLast()
        let lastMember = members.removeLast()
        guard lastMember !== member else { return }
        entries[slot] = lastEntry
        members[slot] = lastMember
        lastMember.setRegistration(slot)
    }

    /// Forgets all members, which may hold on to the loop.
    func removeAll() {
        for member in members { remove(member) }
        while let member = deadlines.popPassed(now: .max) { remove(member) }
    }

    func schedule(_ member: LoopMember, at instant: UInt64) {
        deadlines.schedule(member, at: instant)
    }

    func cancelDeadline(of member: LoopMember) {
        deadlines.cancel(member)
    }

    /// One turn: waits until something is ready or due, and wakes each such member once.
    func runTurn() {
        let count = poll(&entries, nfds_t(entries.count), millisecondsToWait())
        if count > 0 {
            // Waking a member may register and remove others: hence the list.
            for slot in entries.indices where entries[slot].revents != 0 {
                let isBroken = entries[slot].revents & Int16(POLLHUP | POLLERR | POLLNVAL) != 0
                readyMembers.append((members[slot], isBroken))
            }
            for (member, isBroken) in readyMembers where member.registration != nil {
                member.ready(isBroken: isBroken)
            }
            readyMembers.removeAll(keepingCapacity: true)
        }
        let now = MonotonicClock.now()
        while let member = deadlines.popPassed(now: now) { member.deadlinePassed(now: now) }
    }

    private func millisecondsToWait() -> Int32 {
        guard let soonest = deadlines.soonest else { return -1 }
        let now = MonotonicClock.now()
        guard soonest > now else { return 0 }
        // Rounded up, or the last part of a millisecond would be spent spinning.
        return Int32(min((soonest - now + 999_999) / 1_000_000, UInt64(Int32.max)))
    }
}
