internal import RingwayStorage

/// By what a descriptor on the agents' thread is counted.
enum DescriptorCharge {
    /// It is one that the host itself opened, or is nobody's.
    case none
    /// By the budget: a connection that is no agent's yet, or an agent's own line.
    case standing(DescriptorBudget)
    /// By an agent's share: a flow.
    case flow(DescriptorShare)
    /// By an agent's share: a published port.
    case lasting(DescriptorShare)

    /// The descriptor is closed.
    func release() {
        switch self {
        case .none: break
        case .standing(let budget): budget.removeStanding(1)
        case .flow(let share): share.release()
        case .lasting(let share): share.releaseLasting()
        }
    }
}

/// A flow on the agents' thread that could end for the sake of another guest's.
struct IdleMember {
    /// Monotonic nanoseconds; zero for what is only kept ready.
    let usedAt: UInt64
    let end: () -> Void
}
