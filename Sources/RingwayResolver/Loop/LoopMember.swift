/// Something that an event loop wakes: by its descriptor, by its deadline, or by both.
class LoopMember {
    /// Where the loop keeps its descriptor; `nil` when it has none registered.
    private(set) var registration: Int?

    /// When the loop calls `deadlinePassed`, in monotonic nanoseconds; meaningful while it is scheduled.
    private(set) var deadline: UInt64 = 0

    private(set) var deadlinePosition: Int?

    /// The descriptor is ready for what was asked of it, or broken: then the next call on it says how.
    func ready(isBroken: Bool) {}

    /// The deadline has passed; it is no longer scheduled.
    func deadlinePassed(now: UInt64) {}
}

/// For the loop and its deadlines only.
extension LoopMember {
    func setRegistration(_ slot: Int?) { registration = slot }
    func setDeadline(_ instant: UInt64, position: Int?) {
        deadline = instant
        deadlinePosition = position
    }
}
