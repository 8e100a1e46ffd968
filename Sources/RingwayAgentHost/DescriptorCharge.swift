internal import RingwayStorage

/// The budget or share in which a descriptor of the agents' thread is counted.
enum DescriptorCharge {
    /// The descriptor is not counted: the host itself opened it.
    case none
    /// The descriptor of a connection without a session, or of a control channel, is counted in the budget.
    case standing(DescriptorBudget)
    /// The descriptor of a flow is counted in an agent's share.
    case flow(DescriptorShare)
    /// The descriptor of a published port is counted in an agent's share.
    case lasting(DescriptorShare)

    /// Undoes the count, because the descriptor is closed.
    func release() {
        switch self {
        case .none: break
        case .standing(let budget): budget.removeStanding(1)
        case .flow(let share): share.release()
        case .lasting(let share): share.releaseLasting()
        }
    }
}

/// A flow or ready stream on the agents' thread that could end to free descriptors for another guest.
struct IdleMember {
    /// Monotonic nanoseconds of the last use; zero for a ready stream, which has not been used.
    let usedAt: UInt64
    let end: () -> Void
}
