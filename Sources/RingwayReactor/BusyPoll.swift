/// Whether a thread should look for work for a moment before it sleeps.
///
/// To sleep and to be woken costs both sides: the thread its way through the scheduler, the one that wakes it an
/// interrupt to another processor, which in a virtual machine leaves the machine. Where the next event is only
/// microseconds away, as between the two halves of a request and its answer, looking for it is cheaper than that. Where
/// it is not, looking burns a processor that guests could use. So the thread looks only while looking has paid off
/// lately: the value is fed the outcome of each wait and has no clock of its own.
public struct BusyPoll: Equatable, Sendable {
    /// How long to look, in nanoseconds; zero never looks.
    public let limit: UInt64
    /// Positive while it pays off; moves by one per wait, so that one long wait does not end it and one short does not
    /// begin it.
    private var credit = -BusyPoll.threshold

    /// The waits in a row that must have been short before the thread looks at all, or again after it was discouraged.
    private static var threshold: Int { 8 }
    private static var mostCredit: Int { 4 }
    /// A wait that a sleeping thread counts as short: several times the limit, because it holds the cost of waking.
    private var shortSleep: UInt64 { 5 * limit }

    public init(limit: UInt64) { self.limit = limit }

    /// True when the next wait should begin with looking.
    public var isWorthwhile: Bool { limit > 0 && credit > 0 }

    /// The thread looked, and found something or not.
    public mutating func polled(found: Bool) {
        credit = found ? min(credit + 1, Self.mostCredit) : credit - 1
        if credit == 0 { credit = -Self.threshold }
    }

    /// The thread slept, without having looked, for so many nanoseconds.
    public mutating func slept(_ nanoseconds: UInt64) {
        if nanoseconds <= shortSleep { credit = min(credit + 1, Self.mostCredit) } else { credit = -Self.threshold }
    }

    /// The turn moved so much that the next thread is better served by an idle processor than by a quick answer.
    public mutating func discourage() { credit = -Self.threshold }
}
