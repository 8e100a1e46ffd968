internal import Synchronization

/// Divides a process's descriptors among its guests.
///
/// ## Theory of operation
///
///     |<-------------------------------- limit -------------------------------->|
///     | outside, standing |<--------------- pool ---------------->|<- reserve ->|
///                         | flows of guests ...        | headroom |
///
/// *Standing* descriptors are counted by `join` and `addStanding` and belong to no flow, for example those of a
/// guest's link or of an agent. *Outside* ones are open but not counted here, such as listeners and the files of
/// other code. The rest of the limit, less a *reserve* for control connections, for accepting and for new guests, is
/// the *pool* for flows. A *member* is a guest, an agent without a link, or the resolver of a network. Each member's
/// fair share is the pool divided by the number of members. The *headroom* is the part of the pool that may not be
/// borrowed.
///
/// - A member below its share gets descriptors at once. If other members have borrowed the free part of the pool,
///   the descriptors come from the headroom, then from half of the reserve. Once half of the headroom is used, the
///   member furthest above its share is asked to return some. Once that half of the reserve is used, too, further
///   members below their share must wait.
/// - A member at its share may borrow free descriptors, except the headroom. If none are free, one of its own flows
///   must end for the new flow, or the new flow is refused. Until the ended flow's descriptor is closed, the new
///   flow's descriptor comes from half of the headroom; when this half is used up, new flows are refused.
///
/// A member that is asked to return descriptors ends its own flows, on its own threads, the longest idle first.
/// Counting is per flow, never per packet.
public final class DescriptorBudget: Sendable {
    /// A member's smallest share. A new member is refused if each member would then have less. The first two members
    /// are never refused.
    public static var leastShare: Int { 16 }
    /// The number of members that are always admitted. They are a network's resolver and its first guest: even with a
    /// low limit a process serves one guest.
    private static var firstMembers: Int { 2 }
    /// The upper bound of the headroom.
    private static var mostHeadroom: Int { 256 }

    /// The process's limit of descriptors (RLIMIT_NOFILE).
    public let limit: Int
    /// Descriptors set aside for control connections, for accepting and for new guests. Flows use at most half of them,
    /// and only until other flows have ended.
    public let reserve: Int

    /// Bounds that each acquisition reads. `fair` is the share of one member; the other numbers bound `flows`, the
    /// descriptors of all flows together. The numbers are computed anew when members come or go, or the number of
    /// standing or outside descriptors changes.
    struct Bounds: ~Copyable, Sendable {
        let fair = Atomic(0)
        /// Up to this value of `flows`, a member below its share gets descriptors and no member is asked to return
        /// any.
        let calm = Atomic(0)
        /// Up to this value of `flows`, a member at its share may borrow.
        let borrowed = Atomic(0)
        /// Up to this value of `flows`, a member at its share may open a descriptor for a new flow before the
        /// descriptor of the flow that ended for it is closed.
        let replaced = Atomic(0)
        /// Up to this value of `flows`, a member below its share gets descriptors. Above it the member must wait.
        let ceiling = Atomic(0)
        let isShort = Atomic(false)
    }

    private struct Table {
        var members: [DescriptorShare] = []
        var standing = 0
        /// The number of descriptors that were open at the last call of `note` and are not counted here.
        var outside = 0
    }

    let bounds = Bounds()
    /// The number of descriptors of all flows, on a cache line of its own, because the threads of all guests write it.
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

    /// Adds a member. Returns `nil` if each member would then have less than `leastShare`, but never for the first two.
    ///
    /// - Parameter standing: the number of descriptors that are open as long as the member exists.
    public func join(standing: Int) -> DescriptorShare? {
        let share = DescriptorShare(self, standing: standing)
        let excess: Int? = table.withLock { table in
            let pool = pool(table) - standing
            let count = table.members.count
            guard count < Self.firstMembers || pool / (count + 1) >= Self.leastShare else { return nil }
            table.members.append(share)
            table.standing += standing
            measure(table)
            return flows.pointee.load(ordering: .relaxed) - bounds.borrowed.load(ordering: .relaxed)
        }
        guard let excess else { return nil }
        // Other members may have borrowed the descriptors of the new member's share, and must return them.
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

    /// Counts descriptors that belong to no flow, such as an agent's connection before its guest is known. Returns
    /// false and counts nothing if each member would then have less than `leastShare`.
    public func addStandingWhereFree(_ count: Int) -> Bool {
        let excess: Int? = table.withLock { table in
            guard pool(table) - count >= table.members.count * Self.leastShare else { return nil }
            return add(count, to: &table)
        }
        guard let excess else { return false }
        if excess > 0 { demand(excess) }
        return true
    }

    /// Counts descriptors that belong to no flow.
    public func addStanding(_ count: Int) {
        let excess = table.withLock { table in add(count, to: &table) }
        if excess > 0 { demand(excess) }
    }

    /// Returns the number of descriptors that members should return.
    private func add(_ count: Int, to table: inout Table) -> Int {
        table.standing += count
        measure(table)
        return flows.pointee.load(ordering: .relaxed) - bounds.calm.load(ordering: .relaxed)
    }

    /// Records that descriptors counted by `addStanding` have been closed.
    public func removeStanding(_ count: Int) {
        table.withLock { table in
            table.standing -= count
            measure(table)
        }
    }

    /// Whether optional descriptors may be opened, such as more pipes for splice(2).
    public var hasRoom: Bool {
        flows.pointee.load(ordering: .relaxed) < bounds.borrowed.load(ordering: .relaxed)
    }

    /// Reports the number of open descriptors of the process, so that those not counted here reduce the pool, too.
    public func note(open: Int) {
        table.withLock { table in
            table.outside = max(0, open - table.standing - flows.pointee.load(ordering: .relaxed))
            measure(table)
        }
    }

    /// Sets whether all acquisitions are refused because the process is short of memory, which every flow needs, too.
    public func setShort(_ isShort: Bool) { bounds.isShort.store(isShort, ordering: .relaxed) }

    // MARK: Shares

    /// The number of descriptors for flows. Outside descriptors are taken from half of the reserve first; only those
    /// beyond it reduce the pool.
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
        // A single member has no headroom; a quarter of the reserve takes its place.
        bounds.replaced.store(count > 1 ? pool - headroom / 2 : pool + reserve / 4, ordering: .relaxed)
        bounds.ceiling.store(count > 1 ? pool + reserve / 2 : pool, ordering: .relaxed)
    }

    /// Asks the member furthest above its share to return `count` descriptors, or half of the headroom if that is more,
    /// but no more than it has above its share.
    func demand(_ count: Int) {
        let debtor = table.withLock { table in
            table.members.max { $0.excess < $1.excess }
        }
        let headroom = bounds.calm.load(ordering: .relaxed) - bounds.borrowed.load(ordering: .relaxed)
        debtor?.demand(max(count, headroom))
    }

    /// A snapshot of the usage.
    public struct Usage: Sendable {
        /// Descriptors of the flows of all members.
        public var flows = 0
        /// Standing descriptors and outside ones.
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
