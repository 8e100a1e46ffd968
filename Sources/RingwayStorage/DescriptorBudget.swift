internal import Synchronization

/// Divides a process's descriptors among its guests.
///
/// ## Theory of operation
///
///     |<-------------------------------- limit -------------------------------->|
///     | outside, standing |<--------------- pool ---------------->|<- reserve ->|
///                         | flows of guests ...        | headroom |
///
/// *Standing* descriptors exist as long as a guest or a listener. The rest of the limit, less a *reserve* for control
/// connections, for accepting and for new guests, is the *pool* for flows. Each member's fair share is the pool divided
/// by the number of members.
///
/// - A member below its share gets descriptors at once. If others have borrowed them, they come from the headroom, then
///   from half of the reserve, and the member furthest above its share is asked to return as many.
/// - A member at its share may borrow free descriptors, except the headroom. If none are free, one of its own flows
///   must end for the new one, or the new one is refused. Until the ended flow's descriptor is closed, the new one
///   comes from half of the headroom; when that is used up, new flows are refused.
///
/// A member that is asked ends its own flows, on its own threads, the longest idle first. Counting is per flow, never
/// per packet.
public final class DescriptorBudget: Sendable {
    /// The smallest share; a new member that would get less is refused.
    public static var leastShare: Int { 16 }
    /// Members that are always admitted, a network's resolver and its first guest: even with a low limit a process
    /// serves one guest.
    private static var firstMembers: Int { 2 }
    /// The upper bound of the headroom.
    private static var mostHeadroom: Int { 256 }

    /// The process's limit of descriptors (RLIMIT_NOFILE).
    public let limit: Int
    /// Descriptors that flows may not use.
    public let reserve: Int

    /// Bounds that each acquisition reads; written when members join or leave.
    struct Bounds: ~Copyable, Sendable {
        let fair = Atomic(0)
        /// Up to here, a member below its share affects no other member.
        let calm = Atomic(0)
        /// Up to here, a member above its share may borrow.
        let borrowed = Atomic(0)
        /// Up to here, a member above its share may open a descriptor for a flow before that of the flow it ended is
        /// closed.
        let replaced = Atomic(0)
        /// The bound of all flows together.
        let ceiling = Atomic(0)
        let isShort = Atomic(false)
    }

    private struct Table {
        var members: [DescriptorShare] = []
        var standing = 0
        /// Other open descriptors of the process, when last counted.
        var outside = 0
    }

    let bounds = Bounds()
    /// Descriptors of all flows, on a cache line of their own: threads of all guests write it.
    nonisolated(unsafe) let flows: UnsafeMutablePointer<Atomic<Int>>
    private let table = Mutex(Table())

    /// - Parameter limit: the process's limit of descriptors.
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

    /// Adds a member; `nil` if it and all others cannot have a sufficient share.
    ///
    /// - Parameters:
    ///   - standing: descriptors that are open as long as the member exists.
    ///   - others: descriptors that `addStanding` will count because of it.
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
        // Other members may have borrowed everything.
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

    /// Counts descriptors that belong to no flow, such as those of connections without a guest so far. False, without
    /// effect, if members would get less than `leastShare`.
    public func addStandingWhereFree(_ count: Int) -> Bool {
        let isFree = table.withLock { pool($0) - count >= $0.members.count * Self.leastShare }
        if isFree { addStanding(count) }
        return isFree
    }

    /// Counts descriptors that belong to no flow.
    public func addStanding(_ count: Int) {
        let excess = table.withLock { table in
            table.standing += count
            measure(table)
            return flows.pointee.load(ordering: .relaxed) - bounds.calm.load(ordering: .relaxed)
        }
        if excess > 0 { demand(excess) }
    }

    /// Descriptors counted by `addStanding` are closed.
    public func removeStanding(_ count: Int) {
        table.withLock { table in
            table.standing -= count
            measure(table)
        }
    }

    /// Whether optional descriptors may be opened, such as pipes that only save time.
    public var hasRoom: Bool {
        flows.pointee.load(ordering: .relaxed) < bounds.borrowed.load(ordering: .relaxed)
    }

    /// Reports the number of open descriptors of the process, so that descriptors opened by other code count, too.
    public func note(open: Int) {
        table.withLock { table in
            table.outside = max(0, open - table.standing - flows.pointee.load(ordering: .relaxed))
            measure(table)
        }
    }

    /// While set, flows are refused, because another resource is short that each flow needs.
    public func setShort(_ isShort: Bool) { bounds.isShort.store(isShort, ordering: .relaxed) }

    // MARK: Shares

    /// The pool for flows. Half of the reserve is for descriptors that are not counted.
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
        // Without headroom, part of the reserve is used.
        bounds.replaced.store(count > 1 ? pool - headroom / 2 : pool + reserve / 4, ordering: .relaxed)
        bounds.ceiling.store(count > 1 ? pool + reserve / 2 : pool, ordering: .relaxed)
    }

    /// Asks the member furthest above its share to return `count` descriptors, or its excess.
    func demand(_ count: Int) {
        let debtor = table.withLock { table in
            table.members.max { $0.excess < $1.excess }
        }
        let headroom = bounds.calm.load(ordering: .relaxed) - bounds.borrowed.load(ordering: .relaxed)
        debtor?.demand(max(count, headroom))
    }

    /// A snapshot of the usage.
    public struct Usage: Sendable {
        /// Descriptors of all members' flows, and standing ones.
        public var flows = 0
        public var standing = 0
        public var members = 0
        /// Each member's guaranteed share.
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
