internal import RingwayWire

/// What the host's kernel knows about a connection's far end, the peer of the host socket. Times are in nanoseconds.
public struct PeerReport: BitwiseCopyable, Sendable {
    /// Nanoseconds since the last segment from the far end.
    public var silence: UInt64
    /// The far end has acknowledged all data that the socket accepted.
    public var isDelivered: Bool
    /// Data is in flight to the far end, rather than held back because the far end's window is closed.
    public var isUnderWay: Bool
    /// The kernel has retransmitted, or has probed more than once, without a reply so far.
    public var isRepeating: Bool
    /// The kernel's retransmission timeout.
    public var timeout: UInt64
    /// The smoothed round-trip time.
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

    /// The report of a far end that has just sent a segment and has acknowledged all data.
    public static var responding: PeerReport {
        PeerReport(
            silence: 0, isDelivered: true, isUnderWay: false, isRepeating: false, timeout: 0, roundTrip: 0)
    }
}

/// Detects that the far end of a connection, the peer of the host socket, no longer answers. The stack then stops
/// acknowledging the guest.
///
/// ## Theory of operation
///
/// A TCP normally detects a dead peer itself, because the peer acknowledges no data and answers no keepalive probes.
/// Here the stack acknowledges the guest's data before the far end has it, which would hide a dead far end.
/// Three measures keep the guest's own timers (TCP_USER_TIMEOUT, keepalive, retransmission) meaningful, without a
/// system call per segment:
///
/// - If the far end has answered within `trust`, the guest's data is acknowledged at once. Otherwise the last byte of
///   pushed data is left unacknowledged (*withheld*) until the far end has acknowledged it or sent anything. To detect
///   this, the kernel is queried (TCP_INFO) when a reply can be expected, then at growing intervals.
/// - While a socket holds bytes that the stack has acknowledged to the guest, the kernel is queried twice a second. A
///   far end that does not answer retransmissions is *silent*: until it sends again, the stack acknowledges no further
///   data and answers no probes.
/// - A keepalive probe of the guest is answered only after a sign of life from the far end. To obtain one, the host's
///   kernel sends a keepalive probe to the far end.
public struct PeerWatch: BitwiseCopyable {
    /// A far end that answered within this time, nanoseconds, counts as alive, and the guest's data is acknowledged at
    /// once. If every small write had to wait for the far end's acknowledgement, the guest's Nagle algorithm (RFC 1122
    /// §4.2.3.4) would delay the next write.
    static var trust: UInt64 { 5_000_000 }
    /// A far end that answered within this time, nanoseconds, counts as alive when a keepalive probe of the guest is to
    /// be answered. The shortest interval of such probes that the guest's kernel permits is a second.
    public static var keepaliveTrust: UInt64 { 1_000_000_000 }
    /// The shortest delay, nanoseconds, from when an acknowledgement to the guest begins to wait for the far end until
    /// the first query. The delay is 1.25 round trips to the far end if that is longer, up to `longestInterval`.
    static var firstQuery: UInt64 { 1_000_000 }
    /// The interval, nanoseconds, between queries about a connection that carries data.
    static var usualInterval: UInt64 { 500_000_000 }
    /// The longest intervals, nanoseconds, between queries: while a reply is awaited, and while the far end is
    /// silent.
    static var longestInterval: UInt64 { 250_000_000 }
    static var longestSilentInterval: UInt64 { 1_000_000_000 }
    /// A far end counts as silent only if it has sent nothing for this time, nanoseconds, or for the kernel's
    /// retransmission timeout if that is longer.
    static var earliest: UInt64 { 200_000_000 }
    /// If data is in flight and the far end neither answers nor counts as silent, the stack stops waiting for it after
    /// this time, nanoseconds. The time exceeds three seconds, because a kernel that waits a second for neighbour
    /// resolution of its first segment retransmits that segment only after three seconds.
    static var latest: UInt64 { 4_000_000_000 }
    /// How long, in nanoseconds, the kernel is queried because of one keepalive probe of the guest. The guest's next
    /// probe starts the queries again.
    static var keepaliveLimit: UInt64 { 5_000_000_000 }

    enum Verdict: Equatable {
        /// The far end is alive and has all data: no query until there is new data.
        case delivered
        /// The far end is alive.
        case alive
        /// Whether the far end is alive is not known yet: a further query follows.
        case unknown
        /// Whether the far end is alive cannot be found out in time, because the round trip is too long or the far
        /// end's window is closed: the stack stops waiting for it.
        case undecided
        /// The far end does not answer.
        case silent
    }

    /// The time of the next query, monotonic nanoseconds, or `Deadlines.never`.
    private(set) var queryAt = Deadlines.never
    /// Only signs of life from the far end after this time count.
    private(set) var since: UInt64 = 0
    private var interval: UInt64 = 0
    /// The time of the last sign of life from the far end.
    var lastSegmentAt: UInt64
    private var roundTrip: UInt64 = 0
    /// The acknowledgement number when the far end fell silent.
    var acknowledged = SequenceNumber(0)

    init(now: UInt64) { lastSegmentAt = now }

    /// Whether the guest's data may be acknowledged before the far end has acknowledged it.
    @inline(__always)
    func trusts(now: UInt64) -> Bool { now &- lastSegmentAt < Self.trust }

    @inline(__always) var isQuerying: Bool { queryAt != Deadlines.never }

    mutating func stopQueries() { queryAt = Deadlines.never }

    /// Sets only the time of the next query; `since` and `interval` do not change.
    mutating func scheduleQuery(at time: UInt64) { queryAt = time }

    /// Data was passed to the host socket: schedules a query.
    mutating func beginQueries(now: UInt64) {
        since = now
        interval = Self.usualInterval
        queryAt = now &+ interval
    }

    /// The acknowledgement of the guest's data, or the answer to its keepalive probe, now waits for a sign of life
    /// from the far end: schedules a query.
    mutating func await(now: UInt64) {
        since = now
        interval = max(Self.firstQuery, min(roundTrip &+ roundTrip / 4, Self.longestInterval))
        queryAt = now &+ interval
    }

    /// The host socket has connected, or returned data or end of file: the far end is alive.
    mutating func segmentReceived(now: UInt64) { lastSegmentAt = now }

    /// Evaluates the reply to a query. Schedules the next query unless the far end has acknowledged all data.
    ///
    /// - Parameter isDrained: the socket has accepted all data from the guest.
    mutating func judge(_ report: PeerReport, now: UInt64, isDrained: Bool) -> Verdict {
        take(report, now: now)
        if report.isDelivered, isDrained {
            stopQueries()
            return .delivered
        }
        if lastSegmentAt > since {
            beginQueries(now: now)
            return .alive
        }
        let elapsed = now &- since
        let limit = max(report.timeout, Self.earliest)
        if elapsed >= limit, report.isRepeating || (report.isUnderWay && limit < Self.latest) {
            interval = min(max(interval, Self.longestInterval / 2) &* 2, Self.longestSilentInterval)
            queryAt = now &+ interval
            return .silent
        }
        // Data that the far end's closed window holds back is not acknowledged until the window opens, and some paths
        // are too long to wait for. In both cases a missing acknowledgement does not mean that the far end is dead.
        if elapsed >= (report.isUnderWay ? Self.latest : Self.earliest) {
            beginQueries(now: now)
            return .undecided
        }
        interval = min(interval &* 2, Self.longestInterval)
        queryAt = min(now &+ interval, max(now, since &+ limit) &+ Self.firstQuery)
        return .unknown
    }

    /// Evaluates the reply to a query that the guest's keepalive probe caused: `alive` if the probe may be answered,
    /// `undecided` if the far end has sent nothing within `keepaliveLimit`.
    mutating func judgeProbe(_ report: PeerReport, now: UInt64) -> Verdict {
        take(report, now: now)
        stopQueries()
        if now &- lastSegmentAt < Self.keepaliveTrust || lastSegmentAt > since { return .alive }
        guard now &- since < Self.keepaliveLimit else { return .undecided }
        interval = min(interval &* 2, Self.longestInterval)
        queryAt = now &+ interval
        return .unknown
    }

    private mutating func take(_ report: PeerReport, now: UInt64) {
        roundTrip = report.roundTrip
        lastSegmentAt = max(lastSegmentAt, now &- min(report.silence, now))
    }
}
