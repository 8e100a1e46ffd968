internal import Synchronization

/// One member's part of a `DescriptorBudget`. Its operations may be called from any of the member's threads.
public final class DescriptorShare: Sendable {
    /// The answer to a wish for descriptors.
    public enum Grant: Sendable {
        /// They are counted, and may be opened.
        case granted
        /// The member has its share and there is nothing to borrow: one of its own flows has to go first.
        case beyondShare
        /// The member is below its share: what it lacks is with others, who have been asked for it.
        case awaited
    }

    let budget: DescriptorBudget
    let standing: Int
    private let count = Atomic(0)
    /// Those of `count` that are not to be had back, because they have no idleness: published ports.
    private let lasting = Atomic(0)
    private let debt = Atomic(0)
    private let demands = Atomic(0)
    private let actions = Mutex<[@Sendable () -> Void]>([])

    init(_ budget: DescriptorBudget, standing: Int) {
        self.budget = budget
        self.standing = standing
    }

    /// A share of a budget of its own, which has no bound. The budget does not know it, or the two would keep each other.
    public static func unbounded() -> DescriptorShare {
        DescriptorShare(DescriptorBudget(limit: .max / 4), standing: 0)
    }

    // MARK: Taking and giving back

    /// Counts descriptors that are to be opened, unless they may not be.
    ///
    /// - Parameter mayBorrow: whether what is free may be had beyond the share, by members that can give it back.
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

    /// Counts a descriptor that stays until its owner closes it. Of these a member may have half of its share, and none is
    /// borrowed.
    public func acquireLasting() -> Grant {
        let own = lasting.wrappingAdd(1, ordering: .relaxed).newValue
        let fair = budget.bounds.fair.load(ordering: .relaxed)
        let isGranted = own <= fair / 2 && count.load(ordering: .relaxed) < fair
        if isGranted, acquire() == .granted { return .granted }
        lasting.wrappingSubtract(1, ordering: .relaxed)
        return .beyondShare
    }

    /// Counts descriptors that are open, whatever the bounds say: in the place of others that end in this turn.
    public func take(_ opened: Int) {
        count.wrappingAdd(opened, ordering: .relaxed)
        budget.flows.pointee.wrappingAdd(opened, ordering: .relaxed)
    }

    /// Whether one of the member's own flows may end for a new one. The descriptor of a flow that ends is open until the
    /// kernel has let go of it, so a member that replaces flows holds more than its flows for a while. That is bounded
    /// here: what is kept free for members below their share must stay free, however fast another one replaces its flows.
    public func mayReplace(_ wanted: Int = 1) -> Bool {
        budget.flows.pointee.load(ordering: .relaxed) + wanted <= budget.bounds.replaced.load(ordering: .relaxed)
    }

    /// Descriptors that were counted are closed.
    public func release(_ closed: Int = 1) {
        count.wrappingSubtract(closed, ordering: .relaxed)
        budget.flows.pointee.wrappingSubtract(closed, ordering: .relaxed)
    }

    /// The same, of one that `acquireLasting` counted.
    public func releaseLasting() {
        lasting.wrappingSubtract(1, ordering: .relaxed)
        release()
    }

    /// The member is gone. What it still holds is counted until it is released.
    public func leave() {
        actions.withLock { $0 = [] }
        budget.leave(self)
    }

    // MARK: Reading

    /// Descriptors of flows that the member holds.
    public var held: Int { count.load(ordering: .relaxed) }
    /// Descriptors that the member has besides.
    public var standingCount: Int { standing }
    /// What the member can be sure of.
    public var fairShare: Int { budget.bounds.fair.load(ordering: .relaxed) }
    /// Whether there is more to be had than the member holds.
    public var hasRoom: Bool {
        guard !budget.bounds.isShort.load(ordering: .relaxed) else { return false }
        let all = budget.flows.pointee.load(ordering: .relaxed)
        return count.load(ordering: .relaxed) < fairShare
            ? all < budget.bounds.calm.load(ordering: .relaxed) : all < budget.bounds.borrowed.load(ordering: .relaxed)
    }

    // MARK: What others ask for

    /// Calls `action` whenever there is debt, from any thread; it must not wait.
    public func onDemand(_ action: @escaping @Sendable () -> Void) { actions.withLock { $0.append(action) } }

    /// What the member holds beyond its share and could give back.
    var excess: Int {
        let own = count.load(ordering: .relaxed)
        return min(own - fairShare, own - lasting.load(ordering: .relaxed))
    }

    func demand(_ wanted: Int) {
        let due = min(excess, wanted)
        guard due > 0 else { return }
        let before = debt.exchange(due, ordering: .relaxed)
        // One who is at it is reminded now and then: it may have had nothing to give.
        guard before == 0 || demands.wrappingAdd(1, ordering: .relaxed).newValue & 15 == 0 else { return }
        for action in actions.withLock({ $0 }) { action() }
    }

    /// Takes one of the debt upon the caller, who has to end a flow for it; false when none is due.
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

    /// The caller has nothing to give for the debt that it took; another thread of the member's may have.
    public func leaveDebt() { debt.wrappingAdd(1, ordering: .relaxed) }

    /// Whether flows are due.
    public var isInDebt: Bool { debt.load(ordering: .relaxed) > 0 }
}
