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
    /// Positive while polling pays off. It rises by one with each short wait, so that a single one does not start polling.
    /// A poll in vain lowers it by one, so that a single one does not stop polling; a long sleep takes all of it.
    private var credit = -BusyPoll.threshold

    /// The thread polls after one more consecutive short wait than this: at the start, after polling has stopped, and
    /// after `discourage`.
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
