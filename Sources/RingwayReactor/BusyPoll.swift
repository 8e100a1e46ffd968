/// Decides whether a thread polls for work before it sleeps.
///
/// Sleeping and waking are expensive: a pass through the scheduler for the thread, and for its waker an interrupt to
/// another processor, which in a virtual machine causes an exit. If the next event is only microseconds away, as
/// between request and response, polling is cheaper. If it is not, polling wastes processor time that guests could use.
/// So the thread polls only if polling has recently paid off. This value is fed the outcome of each wait and has no
/// clock of its own.
public struct BusyPoll: Equatable, Sendable {
    /// How long to poll, in nanoseconds; zero never polls.
    public let limit: UInt64
    /// Positive while polling pays off. It moves by one per wait, so that one long wait does not stop it and one short
    /// wait does not start it.
    private var credit = -BusyPoll.threshold

    /// The consecutive short waits before the thread starts to poll, or resumes after `discourage`.
    private static var threshold: Int { 8 }
    private static var mostCredit: Int { 4 }
    /// The longest sleep that counts as a short wait: several times the limit, because it includes the cost of waking.
    private var shortSleep: UInt64 { 5 * limit }

    public init(limit: UInt64) { self.limit = limit }

    /// Whether the next wait should start with polling.
    public var isWorthwhile: Bool { limit > 0 && credit > 0 }

    /// The thread polled, and found work or not.
    public mutating func polled(found: Bool) {
        credit = found ? min(credit + 1, Self.mostCredit) : credit - 1
        if credit == 0 { credit = -Self.threshold }
    }

    /// The thread slept for `nanoseconds`, without polling first.
    public mutating func slept(_ nanoseconds: UInt64) {
        if nanoseconds <= shortSleep { credit = min(credit + 1, Self.mostCredit) } else { credit = -Self.threshold }
    }

    /// The turn moved so much data that an idle processor serves the receiving thread better than low latency.
    public mutating func discourage() { credit = -Self.threshold }
}
