internal import RingwayWire

/// What the host's kernel knows about the far end of a connection, in nanoseconds where it is a time.
public struct PeerReport: BitwiseCopyable, Sendable {
    /// Since when nothing was heard of the far end.
    public var silence: UInt64
    /// The far end has everything that the socket took.
    public var isDelivered: Bool
    /// Something is on its way to the far end, and not kept back for its closed window.
    public var isUnderWay: Bool
    /// The kernel sends again, or probes, and has no answer yet.
    public var isRepeating: Bool
    /// How long the kernel waits for an acknowledgement before it sends again.
    public var timeout: UInt64
    /// The time to the far end and back.
    public var roundTrip: UInt64

    public init(
        silence: UInt64, isDelivered: Bool, isUnderWay: Bool, isRepeating: Bool, timeout: UInt64, roundTrip: UInt64
    ) {
        self.silence = silence
        self.isDelivered = isDelivered
        self.isUnderWay = isUnderWay
        self.isRepeating = isRepeating
        self.timeout = timeout
        self.roundTrip = roundTrip
    }

    /// Of a far end that cannot fall silent.
    public static var heard: PeerReport {
        PeerReport(
            silence: 0, isDelivered: true, isUnderWay: false, isRepeating: false, timeout: 0, roundTrip: 0)
    }
}

/// Finds out whether the far end of a connection is still there.
///
/// ## Theory of operation
///
/// A guest's TCP notices by itself that a far end has died: what it sent is not acknowledged, its keepalive probes are not
/// answered. But the one that acknowledges and answers is us, as soon as the host's socket has taken the bytes. So that the
/// guest's own clocks (TCP_USER_TIMEOUT, keepalive, retransmission) mean what they say, three things are done, none of
/// which costs a system call for a segment:
///
/// - A far end that was heard of a moment ago (`trust`) is trusted, and its data is acknowledged at once. Of other data that
///   the guest has pushed, the last byte is left unacknowledged until the far end has it, or says something: the kernel is
///   asked when its answer can have come, then at growing distances.
/// - While a socket has bytes that the guest was told are safe, the kernel is asked twice a second. A far end that is sent
///   to again and says nothing is *silent*: nothing is acknowledged or answered any more until it is heard of.
/// - A keepalive probe of the guest's is answered once the far end was heard of, for which it is probed too.
public struct PeerWatch: BitwiseCopyable {
    /// A far end that was heard of so recently is taken to be there when data is acknowledged: what a guest answers at once
    /// in several small writes is not to wait (RFC 1122 §4.2.3.4, Nagle).
    static var trust: UInt64 { 5_000_000 }
    /// The same for a keepalive probe; the shortest interval that the guest's kernel has for these is a second.
    public static var keepaliveTrust: UInt64 { 1_000_000_000 }
    /// The first look after the guest has sent something that waits for the far end, unless the way there is long.
    static var firstLook: UInt64 { 1_000_000 }
    /// Between two looks at a connection that carries data.
    static var usualInterval: UInt64 { 500_000_000 }
    /// Between two looks at a far end whose answer is awaited, and at one that is silent, at the most.
    static var longestInterval: UInt64 { 250_000_000 }
    static var longestSilentInterval: UInt64 { 1_000_000_000 }
    /// No conclusion is drawn from less silence than this; nor from none within `latest`, on ways that long. A kernel whose
    /// first segment had to wait a second for a neighbour's address sends again after three.
    static var earliest: UInt64 { 200_000_000 }
    static var latest: UInt64 { 4_000_000_000 }
    /// Looks for the answer to a keepalive probe end then: the guest will have sent another.
    static var keepaliveLimit: UInt64 { 5_000_000_000 }

    enum Verdict: Equatable {
        /// The far end is there and has everything: no more looks until there is something new.
        case delivered
        /// It is there.
        case alive
        /// It may be.
        case unknown
        /// It is not to be waited for: the way is too long to tell.
        case undecided
        /// It does not answer.
        case silent
    }

    /// When to look next, monotonic nanoseconds, or `Deadlines.never`.
    private(set) var lookAt = Deadlines.never
    /// From when on a sign of the far end counts.
    private(set) var since: UInt64 = 0
    private var interval: UInt64 = 0
    /// When the far end was last heard of.
    var heardAt: UInt64
    private var roundTrip: UInt64 = 0
    /// What was acknowledged when the far end fell silent.
    var acknowledged = SequenceNumber(0)

    init(now: UInt64) { heardAt = now }

    /// Whether data may be acknowledged that the far end has not.
    @inline(__always)
    func trusts(now: UInt64) -> Bool { now &- heardAt < Self.trust }

    @inline(__always) var isLooking: Bool { lookAt != Deadlines.never }

    mutating func stopLooking() { lookAt = Deadlines.never }

    /// The far end is looked at for the first time at `time`, whatever is sent until then.
    mutating func look(at time: UInt64) { lookAt = time }

    /// The socket is given bytes: they are looked after in time.
    mutating func beginLooking(now: UInt64) {
        since = now
        interval = Self.usualInterval
        lookAt = now &+ interval
    }

    /// Something of the guest's waits for a sign of the far end.
    mutating func await(now: UInt64) {
        since = now
        interval = max(Self.firstLook, min(roundTrip &+ roundTrip / 4, Self.longestInterval))
        lookAt = now &+ interval
    }

    /// The far end was heard of without being asked.
    mutating func hear(now: UInt64) { heardAt = now }

    /// What a look has shown; the next one is due at `lookAt`.
    ///
    /// - Parameter isDrained: nothing waits for the socket to take it.
    mutating func judge(_ report: PeerReport, now: UInt64, isDrained: Bool) -> Verdict {
        take(report, now: now)
        if report.isDelivered, isDrained {
            stopLooking()
            return .delivered
        }
        if heardAt > since {
            beginLooking(now: now)
            return .alive
        }
        let elapsed = now &- since
        let limit = max(report.timeout, Self.earliest)
        if elapsed >= limit, report.isRepeating || (report.isUnderWay && limit < Self.latest) {
            interval = min(max(interval, Self.longestInterval / 2) &* 2, Self.longestSilentInterval)
            lookAt = now &+ interval
            return .silent
        }
        // What a closed window keeps back is not acknowledged; and some paths are too long to wait for.
        if elapsed >= (report.isUnderWay ? Self.latest : Self.earliest) {
            beginLooking(now: now)
            return .undecided
        }
        interval = min(interval &* 2, Self.longestInterval)
        lookAt = min(now &+ interval, max(now, since &+ limit) &+ Self.firstLook)
        return .unknown
    }

    /// What a look has shown that was for the guest's keepalive probe: `alive` when the probe may be answered, `undecided`
    /// when no more looks are worth it.
    mutating func judgeProbe(_ report: PeerReport, now: UInt64) -> Verdict {
        take(report, now: now)
        stopLooking()
        if now &- heardAt < Self.keepaliveTrust || heardAt > since { return .alive }
        guard now &- since < Self.keepaliveLimit else { return .undecided }
        interval = min(interval &* 2, Self.longestInterval)
        lookAt = now &+ interval
        return .unknown
    }

    private mutating func take(_ report: PeerReport, now: UInt64) {
        roundTrip = report.roundTrip
        heardAt = max(heardAt, now &- min(report.silence, now))
    }
}
