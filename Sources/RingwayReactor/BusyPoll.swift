/// Decides whether a thread polls for work before it sleeps.
///
/// Sleeping and waking are expensive: a pass through the scheduler for the thread, and for its waker an interrupt to
/// another processor, which in a virtual machine causes an exit. If the next event is only microseconds away, as
/// between request and response, polling is cheaper. If it is not, polling wastes processor time that guests could
/// use. So the thread polls only if recent waits were short. `Reactor` reports the outcome of each wait; `BusyPoll`
/// reads no clock.
public struct BusyPoll: Equatable, Sendable {
    /// How long to poll, in nanoseconds; zero never polls.
    public let limit: UInt64
    /// The thread polls while this is positive. Each short sleep and each poll that finds work raise it by one, up to
    /// `mostCredit`. A poll that finds nothing lowers it by one; if it reaches zero, it is set to `-threshold`. A
    /// long sleep sets it to `-threshold`, too, so that a single short wait does not start polling.
    private var credit = -BusyPoll.threshold

    /// The thread starts to poll after `threshold` + 1 short waits without a long sleep between them. This applies at
    /// the start, after polling has stopped, and after `discourage`.
    private static var threshold: Int { 8 }
    private static var mostCredit: Int { 4 }
    /// The longest sleep that counts as a short wait: several times the limit, because it includes the cost of waking.
    private var shortSleep: UInt64 { 5 * limit }

    public init(limit: UInt64) { self.limit = limit }

    /// Whether the next wait should start with polling.
    public var isWorthwhile: Bool { limit > 0 && credit > 0 }

    /// Records the outcome of a poll.
    public mutating func polled(found: Bool) {
        credit = found ? min(credit + 1, Self.mostCredit) : credit - 1
        if credit == 0 { credit = -Self.threshold }
    }

    /// The thread slept for `nanoseconds`, without polling first.
    public mutating func slept(_ nanoseconds: UInt64) {
        if nanoseconds <= shortSleep { credit = min(credit + 1, Self.mostCredit) } else { credit = -Self.threshold }
    }

    /// Stops polling, because the turn moved much data: the threads that receive it need the processor more than this
    /// thread needs low latency.
    public mutating func discourage() { credit = -Self.threshold }
}
