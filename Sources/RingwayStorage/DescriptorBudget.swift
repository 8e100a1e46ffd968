internal import Synchronization

/// The descriptors of one process, shared out among those who would use them up: its guests.
///
/// ## Theory of operation
///
///     |<-------------------------------- limit -------------------------------->|
///     | outside, standing |<--------------- pool ---------------->|<- reserve ->|
///                         | flows of guests ...        | headroom |
///
/// *Standing* descriptors last as long as a guest or a listener does. What is left of the limit, less a *reserve* for
/// control connections, for accepting and for guests that join, is the *pool* of which flows take. Each member's fair
/// share is the pool divided by the number of members.
///
/// - A member below its share gets what it asks for. Where others have borrowed that, it comes out of the headroom and
///   then out of half of the reserve, and the member that is furthest beyond its share is asked to give as many back.
/// - A member at its share may borrow what is free, the headroom aside. When nothing is, one of its own flows has to end
///   for the new one, or the new one is refused. Until the ended flow's descriptor is closed the new one comes out of half
///   of the headroom, and when that is used up new ones are refused.
///
/// A member that is asked ends its own flows, on its own threads, those that have been idle for longest first. All of it
/// is counted once for each flow, never for a packet.
public final class DescriptorBudget: Sendable {
    /// What each member can have at the least: where there is not so much for one more, it may not join.
    public static var leastShare: Int { 16 }
    /// The members that are always taken in, a network's resolver and its first guest: a process that may have few
    /// descriptors serves one guest all the same, and meets the kernel's bound.
    private static var firstMembers: Int { 2 }
    /// The most that is kept free of borrowers.
    private static var mostHeadroom: Int { 256 }

    /// What the process may have open (RLIMIT_NOFILE).
    public let limit: Int
    /// What flows leave alone.
    public let reserve: Int

    /// What each acquisition reads; written when members come and go.
    struct Bounds: ~Copyable, Sendable {
        let fair = Atomic(0)
        /// Up to here a member below its share takes nothing from anyone.
        let calm = Atomic(0)
        /// Up to here a member beyond its share may borrow.
        let borrowed = Atomic(0)
        /// Up to here a member beyond its share may open a descriptor for a flow before that of the flow it ended for it
        /// is closed.
        let replaced = Atomic(0)
        /// What all flows together never exceed.
        let ceiling = Atomic(0)
        let isShort = Atomic(false)
    }

    private struct Table {
        var members: [DescriptorShare] = []
        var standing = 0
        /// What the process has open beside, when it was last counted.
        var outside = 0
    }

    let bounds = Bounds()
    /// What all flows hold, alone on its line: threads of all guests write it.
    nonisolated(unsafe) let flows: UnsafeMutablePointer<Atomic<Int>>
    private let table = Mutex(Table())

    /// - Parameter limit: of descriptors, as the process has it.
    public init(limit: Int) {
        self.limit = limit
        reserve = min(64, max(24, limit / 4))
        flows = UnsafeMutableRawPointer.allocate(byteCount: CacheLines.reach, alignment: CacheLines.reach)
            .bindMemory(to: Atomic<Int>.self, capacity: 1)
        flows.initialize(to: Atomic(0))
        table.withLock { measure($0) }
    }

    deinit {
        flows.deinitialize(count: 1)
        flows.deallocate()
    }

    // MARK: Members

    /// Takes a member in; `nil` when there is not enough left for it and all the others.
    ///
    /// - Parameters:
    ///   - standing: descriptors that it has open for as long as it is a member.
    ///   - others: descriptors that `addStanding` is going to count for its sake.
    public func join(standing: Int, besides others: Int = 0) -> DescriptorShare? {
        let share = DescriptorShare(self, standing: standing)
        let excess: Int? = table.withLock { table in
            let pool = pool(table) - standing - others
            let count = table.members.count
            guard count < Self.firstMembers || pool / (count + 1) >= Self.leastShare else { return nil }
            table.members.append(share)
            table.standing += standing
            measure(table)
            return flows.pointee.load(ordering: .relaxed) - bounds.borrowed.load(ordering: .relaxed)
        }
        guard let excess else { return nil }
        // Others may have had all of it.
        if excess > 0 { demand(excess) }
        return share
    }

    func leave(_ share: DescriptorShare) {
        table.withLock { table in
            guard let index = table.members.firstIndex(where: { $0 === share }) else { return }
            table.members.remove(at: index)
            table.standing -= share.standing
            measure(table)
        }
    }

    /// Counts descriptors that are no flow's, such as those of connections that are no guest's yet. False, and nothing is
    /// counted, when that would leave members less than `leastShare`.
    public func addStandingWhereFree(_ count: Int) -> Bool {
        let isFree = table.withLock { pool($0) - count >= $0.members.count * Self.leastShare }
        if isFree { addStanding(count) }
        return isFree
    }

    /// Counts descriptors that are no flow's.
    public func addStanding(_ count: Int) {
        let excess = table.withLock { table in
            table.standing += count
            measure(table)
            return flows.pointee.load(ordering: .relaxed) - bounds.calm.load(ordering: .relaxed)
        }
        if excess > 0 { demand(excess) }
    }

    /// Descriptors that `addStanding` counted are closed.
    public func removeStanding(_ count: Int) {
        table.withLock { table in
            table.standing -= count
            measure(table)
        }
    }

    /// Whether more may be opened than has been asked for, such as pipes that only save time.
    public var hasRoom: Bool {
        flows.pointee.load(ordering: .relaxed) < bounds.borrowed.load(ordering: .relaxed)
    }

    /// Tells how many descriptors the process has open, so that those count that nobody has told of.
    public func note(open: Int) {
        table.withLock { table in
            table.outside = max(0, open - table.standing - flows.pointee.load(ordering: .relaxed))
            measure(table)
        }
    }

    /// Flows are refused while this is set: something else is short, of which each takes some.
    public func setShort(_ isShort: Bool) { bounds.isShort.store(isShort, ordering: .relaxed) }

    // MARK: Shares

    /// What there is for flows. Half of the reserve is for what nobody has told of.
    private func pool(_ table: borrowing Table) -> Int {
        limit - reserve - table.standing - max(0, table.outside - reserve / 2)
    }

    private func measure(_ table: borrowing Table) {
        let count = table.members.count
        let pool = max(pool(table), Self.leastShare * min(count, Self.firstMembers))
        let headroom = count > 1 ? min(Self.mostHeadroom, pool / 8) : 0
        bounds.fair.store(pool / max(1, count), ordering: .relaxed)
        bounds.calm.store(pool - headroom / 2, ordering: .relaxed)
        bounds.borrowed.store(pool - headroom, ordering: .relaxed)
        // Where nothing is kept free for others, a part of the reserve serves.
        bounds.replaced.store(count > 1 ? pool - headroom / 2 : pool + reserve / 4, ordering: .relaxed)
        bounds.ceiling.store(count > 1 ? pool + reserve / 2 : pool, ordering: .relaxed)
    }

    /// Asks the member that is furthest beyond its share to give back `count`, or what it has too much.
    func demand(_ count: Int) {
        let debtor = table.withLock { table in
            table.members.max { $0.excess < $1.excess }
        }
        let headroom = bounds.calm.load(ordering: .relaxed) - bounds.borrowed.load(ordering: .relaxed)
        debtor?.demand(max(count, headroom))
    }

    /// What is in use at one moment.
    public struct Usage: Sendable {
        /// What all members' flows hold, and what is open for as long as they are there.
        public var flows = 0
        public var standing = 0
        public var members = 0
        /// What each member can be sure of.
        public var fairShare = 0
    }

    public var usage: Usage {
        table.withLock { table in
            Usage(
                flows: flows.pointee.load(ordering: .relaxed), standing: table.standing + table.outside,
                members: table.members.count, fairShare: bounds.fair.load(ordering: .relaxed))
        }
    }
}
