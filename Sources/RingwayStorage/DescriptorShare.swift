internal import Synchronization

/// One member of a `DescriptorBudget`. Its operations may be called from any of the member's threads.
public final class DescriptorShare: Sendable {
    /// The result of an acquisition.
    public enum Grant: Sendable {
        /// The descriptors are counted and may be opened.
        case granted
        /// The member holds its share and may not borrow, so one of its own flows must end first. `acquireLasting`
        /// also returns this if published ports hold half of the share. So does every acquisition while memory is
        /// short (`DescriptorBudget.setShort`).
        case beyondShare
        /// The member is below its share, but no descriptor is free; the member furthest above its share has been
        /// asked to return some.
        case awaited
    }

    let budget: DescriptorBudget
    let standing: Int
    private let count = Atomic(0)
    /// The number of descriptors in `count` that published ports hold. Published ports are never idle, so these
    /// descriptors cannot be reclaimed.
    private let lasting = Atomic(0)
    private let debt = Atomic(0)
    private let demands = Atomic(0)
    private let actions = Mutex<[@Sendable () -> Void]>([])

    init(_ budget: DescriptorBudget, standing: Int) {
        self.budget = budget
        self.standing = standing
    }

    /// Returns the only share of a new budget without a limit. The budget's table does not contain it, because the
    /// two objects would then retain each other.
    public static func unbounded() -> DescriptorShare {
        DescriptorShare(DescriptorBudget(limit: .max / 4), standing: 0)
    }

    // MARK: Taking and giving back

    /// Counts descriptors that the caller is about to open, if the budget permits them.
    ///
    /// - Parameter mayBorrow: whether free descriptors beyond the share may be used. Pass true only for flows that
    ///   can be ended to return them.
    public func acquire(_ wanted: Int = 1, mayBorrow: Bool = true) -> Grant {
        guard !budget.bounds.isShort.load(ordering: .relaxed) else { return .beyondShare }
        let own = count.wrappingAdd(wanted, ordering: .relaxed).newValue
        let all = budget.flows.pointee.wrappingAdd(wanted, ordering: .relaxed).newValue
        guard own <= budget.bounds.fair.load(ordering: .relaxed) else {
            if mayBorrow, all <= budget.bounds.borrowed.load(ordering: .relaxed) { return .granted }
            release(wanted)
            return .beyondShare
        }
        let calm = budget.bounds.calm.load(ordering: .relaxed)
        guard all > calm else { return .granted }
        budget.demand(all - calm)
        guard all > budget.bounds.ceiling.load(ordering: .relaxed) else { return .granted }
        release(wanted)
        return .awaited
    }

    /// Counts the descriptor of a published port, which stays open until the port is unpublished. Such descriptors may
    /// use at most half of the member's share, and none may be borrowed.
    public func acquireLasting() -> Grant {
        let own = lasting.wrappingAdd(1, ordering: .relaxed).newValue
        let fair = budget.bounds.fair.load(ordering: .relaxed)
        let isGranted = own <= fair / 2 && count.load(ordering: .relaxed) < fair
        if isGranted, acquire() == .granted { return .granted }
        lasting.wrappingSubtract(1, ordering: .relaxed)
        return .beyondShare
    }

    /// Counts descriptors regardless of the bounds. The caller has opened them already, or opens them in place of
    /// others that it has begun to close.
    public func take(_ opened: Int) {
        count.wrappingAdd(opened, ordering: .relaxed)
        budget.flows.pointee.wrappingAdd(opened, ordering: .relaxed)
    }

    /// Whether one of the member's own flows may end for a new one. The descriptor of the ended flow stays open until
    /// the kernel has completed its operations, so a member that replaces flows holds more than its share for a while.
    /// The check bounds that excess: part of the headroom stays free for members below their share, however fast flows
    /// are replaced.
    public func mayReplace(_ wanted: Int = 1) -> Bool {
        budget.flows.pointee.load(ordering: .relaxed) + wanted <= budget.bounds.replaced.load(ordering: .relaxed)
    }

    /// Records that descriptors counted by `acquire` or `take` have been closed.
    public func release(_ closed: Int = 1) {
        count.wrappingSubtract(closed, ordering: .relaxed)
        budget.flows.pointee.wrappingSubtract(closed, ordering: .relaxed)
    }

    /// Records that a descriptor counted by `acquireLasting` has been closed.
    public func releaseLasting() {
        lasting.wrappingSubtract(1, ordering: .relaxed)
        release()
    }

    /// Removes the member from the budget. Its descriptors stay counted until they are released.
    public func leave() {
        actions.withLock { $0 = [] }
        budget.leave(self)
    }

    // MARK: Reading

    /// Descriptors of the member's flows.
    public var held: Int { count.load(ordering: .relaxed) }
    /// The member's standing descriptors.
    public var standingCount: Int { standing }
    /// The member's guaranteed share.
    public var fairShare: Int { budget.bounds.fair.load(ordering: .relaxed) }
    /// Whether the member could acquire a descriptor without any member being asked to return some.
    public var hasRoom: Bool {
        guard !budget.bounds.isShort.load(ordering: .relaxed) else { return false }
        let all = budget.flows.pointee.load(ordering: .relaxed)
        return count.load(ordering: .relaxed) < fairShare
            ? all < budget.bounds.calm.load(ordering: .relaxed) : all < budget.bounds.borrowed.load(ordering: .relaxed)
    }

    // MARK: Demands of other members

    /// Adds an action that is called, on any thread, when the member must return descriptors. It must not block.
    public func onDemand(_ action: @escaping @Sendable () -> Void) { actions.withLock { $0.append(action) } }

    /// The number of descriptors above the share that could be returned; zero or negative if there are none.
    var excess: Int {
        let own = count.load(ordering: .relaxed)
        return min(own - fairShare, own - lasting.load(ordering: .relaxed))
    }

    func demand(_ wanted: Int) {
        let due = min(excess, wanted)
        guard due > 0 else { return }
        let before = debt.exchange(due, ordering: .relaxed)
        // A member that still has to return descriptors is notified again only at every 16th demand, in case it had
        // no flow to end at the last notification.
        guard before == 0 || demands.wrappingAdd(1, ordering: .relaxed).newValue & 15 == 0 else { return }
        for action in actions.withLock({ $0 }) { action() }
    }

    /// Subtracts one from the number of descriptors that the member has to return. If the result is true, the caller
    /// must end a flow.
    ///
    /// - Returns: false if the member has to return none, or no longer holds more than its share.
    public func takeDebt() -> Bool {
        var due = debt.load(ordering: .relaxed)
        while due > 0 {
            guard excess > 0 else {
                debt.store(0, ordering: .relaxed)
                return false
            }
            let (isTaken, found) = debt.weakCompareExchange(expected: due, desired: due - 1, ordering: .relaxed)
            if isTaken { return true }
            due = found
        }
        return false
    }

    /// Undoes one `takeDebt`: the caller has no flow to end, but another thread of the member may have one.
    public func leaveDebt() { debt.wrappingAdd(1, ordering: .relaxed) }

    /// Whether the member has to end flows.
    public var isInDebt: Bool { debt.load(ordering: .relaxed) > 0 }
}
