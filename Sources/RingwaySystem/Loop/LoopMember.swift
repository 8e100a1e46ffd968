/// An object that an event loop calls: when its descriptor is ready, when its deadline passes, or to resume its work.
///
/// All calls are on the loop's thread. A loop retains a member while the member has a registered descriptor, a
/// deadline or a pending resume.
open class LoopMember {
    /// The member's index in the loop's table, its registered descriptor, and the events that it waits for.
    struct Registration {
        let slot: Int
        let descriptor: Int32
        var interest: EventLoop.Interest
    }

    /// Written by the loop only.
    var registration: Registration?

    /// The deadline, in monotonic nanoseconds; valid while scheduled.
    var deadline: UInt64 = 0

    /// The index in the loop's deadline queue; `nil` without a deadline.
    var deadlinePosition: Int?

    /// Whether a call of `resumed` is pending.
    var isResuming = false

    public init() {}

    /// Whether the member's descriptor is registered.
    public final var isRegistered: Bool { registration != nil }

    /// Whether the member has a deadline.
    public final var isScheduled: Bool { deadlinePosition != nil }

    /// Called when the descriptor is ready for an event of the member's interest, or has an error or hang-up.
    open func ready(_ events: EventLoop.Events) {}

    /// Called when the deadline has passed. The deadline was removed before this call.
    open func deadlinePassed(now: UInt64) {}

    /// Resumes the work for which `resume` was called.
    open func resumed() {}
}
