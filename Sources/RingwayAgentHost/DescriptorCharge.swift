internal import RingwayStorage

/// How a descriptor on the agents' thread is counted.
enum DescriptorCharge {
    /// Not at all: it is one that the host itself opened.
    case none
    /// By the budget: a connection that is no agent's yet, or an agent's control channel.
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

/// A flow on the agents' thread that could end to free descriptors for another guest's.
struct IdleMember {
    /// Monotonic nanoseconds; zero for what is only kept ready.
    let usedAt: UInt64
    let end: () -> Void
}
