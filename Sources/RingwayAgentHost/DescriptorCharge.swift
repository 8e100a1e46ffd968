internal import RingwayStorage

/// The budget or share in which a descriptor of the agents' thread is counted.
enum DescriptorCharge {
    /// Nothing: the host itself opened it.
    case none
    /// The budget: the descriptor of a connection without a session, or of a control channel.
    case standing(DescriptorBudget)
    /// An agent's share, as a flow.
    case flow(DescriptorShare)
    /// An agent's share, as a published port.
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

/// A flow on the agents' thread that could end to free descriptors for another guest.
struct IdleMember {
    /// Monotonic nanoseconds of the last use; zero for an idle stream.
    let usedAt: UInt64
    let end: () -> Void
}
