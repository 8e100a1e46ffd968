/// Something that an event loop calls: when its descriptor is ready, when its deadline passes, or to go on with its work.
///
/// All of it happens on the loop's thread. A loop holds a member for as long as it has its descriptor, its deadline or
/// its request to go on.
open class LoopMember {
    /// A place in the loop's table, and what is registered there.
    struct Registration {
        let slot: Int
        let descriptor: Int32
        var interest: EventLoop.Interest
    }

    /// Written by the loop only.
    var registration: Registration?

    /// When the loop calls `deadlinePassed`, in monotonic nanoseconds; meaningful while it is scheduled.
    var deadline: UInt64 = 0

    /// Its place in the loop's queue of deadlines; `nil` when it has none.
    var deadlinePosition: Int?

    /// Whether `resumed` is to be called.
    var isResuming = false

    public init() {}

    /// Whether a descriptor of it is registered.
    public final var isRegistered: Bool { registration != nil }

    /// Whether it has a deadline.
    public final var isScheduled: Bool { deadlinePosition != nil }

    /// The descriptor is ready for something of what was asked for, or broken.
    open func ready(_ events: EventLoop.Events) {}

    /// The deadline has passed, and there is none any more.
    open func deadlinePassed(now: UInt64) {}

    /// Goes on with what it left undone when it called the loop's `resume`.
    open func resumed() {}
}
