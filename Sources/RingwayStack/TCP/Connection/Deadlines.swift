/// The timers of one connection, in monotonic nanoseconds.
///
/// Retransmission, window probe and close are the cases of one enum, each with its deadline, because at most one of
/// them can be pending: data is in flight, or the guest's window is closed and no data is in flight, or both ends have
/// finished. The keepalive deadline follows from the time of the guest's last segment.
struct Deadlines: BitwiseCopyable {
    enum Timer: BitwiseCopyable {
        case idle
        /// Data, SYN or FIN is in flight; retransmitted at this time (RFC 6298 §5).
        case retransmit(at: UInt64)
        /// The guest's window is closed and nothing is in flight; probed at this time, then at doubled intervals (RFC
        /// 9293 §3.8.6.1).
        case probe(at: UInt64, interval: UInt64)
        /// TIME-WAIT ends at this time.
        case close(at: UInt64)
    }

    /// A time that is never reached.
    static var never: UInt64 { .max }

    private(set) var timer = Timer.idle
    /// The time of the connection's entry in the timer wheel, or `never`. A deadline that moves later does not move the
    /// entry.
    private(set) var wakeAt = Deadlines.never
    /// The time of the last segment that showed the guest to be alive. Segments outside the receive window count, too.
    private(set) var lastSegmentAt: UInt64
    /// Before this time no challenge ACK is sent, and no other reply to which the same rate limit applies.
    private var challengeAt: UInt64 = 0
    /// Consecutive retransmissions.
    var retransmissions: UInt8 = 0
    /// Keepalive probes since the guest's last segment.
    private(set) var keepaliveProbes: UInt8 = 0

    init(now: UInt64) { lastSegmentAt = now }

    // MARK: The timer

    @inline(__always) mutating func stop() { timer = .idle }

    @inline(__always) mutating func retransmit(at time: UInt64) { timer = .retransmit(at: time) }

    mutating func close(at time: UInt64) { timer = .close(at: time) }

    /// Starts window probes.
    mutating func probe(every interval: UInt64, now: UInt64) { timer = .probe(at: now &+ interval, interval: interval) }

    /// A probe was sent; the next follows after twice the interval, at most `longestRetransmission`.
    mutating func probed(now: UInt64) {
        guard case .probe(_, let interval) = timer else { return }
        probe(every: min(interval * 2, TCPBounds.longestRetransmission), now: now)
    }

    /// The guest's window is open again.
    @inline(__always) mutating func stopProbing() {
        if case .probe = timer { timer = .idle }
    }

    @inline(__always) var isRetransmitting: Bool {
        if case .retransmit = timer { true } else { false }
    }

    var isProbing: Bool {
        if case .probe = timer { true } else { false }
    }

    // MARK: The guest

    /// A segment has arrived that shows the guest to be alive.
    @inline(__always)
    mutating func segmentReceived(now: UInt64) {
        lastSegmentAt = now
        keepaliveProbes = 0
    }

    /// When the next keepalive probe is due (RFC 9293 §3.8.4).
    @inline(__always) var keepaliveAt: UInt64 {
        lastSegmentAt &+ TCPBounds.keepaliveIdle &+ UInt64(keepaliveProbes) &* TCPBounds.keepaliveInterval
    }

    /// Counts a keepalive probe; false if the limit of unanswered probes is reached.
    mutating func countKeepaliveProbe() -> Bool {
        guard keepaliveProbes < TCPBounds.keepaliveLimit else { return false }
        keepaliveProbes += 1
        return true
    }

    /// Whether a challenge ACK may be sent now (RFC 5961 §7); if so, the minimum interval starts anew.
    mutating func takeChallenge(now: UInt64) -> Bool {
        guard now >= challengeAt else { return false }
        challengeAt = now &+ TCPBounds.challengeInterval
        return true
    }

    // MARK: The timer wheel

    /// The earliest deadline, or `never`.
    ///
    /// - Parameters:
    ///   - queryAt: when the kernel is to be queried about the host socket's peer, or `never`.
    ///   - keepsAlive: whether a silent guest is probed in the connection's state.
    @inline(__always)
    func earliest(queryAt: UInt64, keepsAlive: Bool) -> UInt64 {
        var earliest = queryAt
        switch timer {
        case .idle: break
        case .retransmit(let at), .probe(let at, _), .close(let at): earliest = min(earliest, at)
        }
        return keepsAlive ? min(earliest, keepaliveAt) : earliest
    }

    /// Whether the connection needs a new entry in the timer wheel, because it has none as early as `deadline`. If so,
    /// records `deadline` as the time of the entry.
    @inline(__always)
    mutating func mustWake(at deadline: UInt64) -> Bool {
        guard deadline < wakeAt else { return false }
        wakeAt = deadline
        return true
    }

    /// The connection's entry in the timer wheel has expired.
    mutating func woke() { wakeAt = Deadlines.never }
}
