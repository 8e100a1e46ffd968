/// The clocks of one connection, in monotonic nanoseconds.
///
/// What a connection waits for is one state with its deadline, so that combinations without a meaning cannot arise: data
/// is in flight, or the guest's window is closed and nothing is, or both ends have finished. Keepalive, which runs beside
/// it, follows from when the guest was last heard.
struct Deadlines: BitwiseCopyable {
    enum Timer: BitwiseCopyable {
        case idle
        /// Data, SYN or FIN is in flight: sent again at this time (RFC 6298 §5).
        case retransmit(at: UInt64)
        /// The guest's window is closed and nothing is in flight: probed at this time, and after doubled intervals
        /// (RFC 9293 §3.8.6.1).
        case probe(at: UInt64, interval: UInt64)
        /// TIME-WAIT ends at this time.
        case close(at: UInt64)
    }

    /// Stands for a time that does not come.
    static var never: UInt64 { .max }

    private(set) var timer = Timer.idle
    /// When the timer wheel has an entry for the connection, or `never`. Deadlines that move later leave it where it is.
    private(set) var wakeAt = Deadlines.never
    /// When the guest was last heard.
    private(set) var heardAt: UInt64
    /// From when on another challenge may be sent.
    private var challengeAt: UInt64 = 0
    /// Retransmissions in a row.
    var retransmissions: UInt8 = 0
    /// Keepalive probes since the guest was last heard.
    private(set) var keepaliveProbes: UInt8 = 0

    init(now: UInt64) { heardAt = now }

    // MARK: The timer

    @inline(__always) mutating func stop() { timer = .idle }

    @inline(__always) mutating func retransmit(at time: UInt64) { timer = .retransmit(at: time) }

    mutating func close(at time: UInt64) { timer = .close(at: time) }

    /// Begins to probe the guest's window.
    mutating func probe(every interval: UInt64, now: UInt64) { timer = .probe(at: now &+ interval, interval: interval) }

    /// A probe was sent: the next one comes after twice the time.
    mutating func probed(now: UInt64) {
        guard case .probe(_, let interval) = timer else { return }
        probe(every: min(interval * 2, TCPBounds.longestRetransmission), now: now)
    }

    /// The guest's window is open.
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

    /// A segment of the guest's is acceptable.
    @inline(__always)
    mutating func heard(now: UInt64) {
        heardAt = now
        keepaliveProbes = 0
    }

    /// When the guest is probed to find out whether it is still there (RFC 9293 §3.8.4).
    @inline(__always) var keepaliveAt: UInt64 {
        heardAt &+ TCPBounds.keepaliveIdle &+ UInt64(keepaliveProbes) &* TCPBounds.keepaliveInterval
    }

    /// Counts a keepalive probe; false when so many had no answer that the guest is taken for dead.
    mutating func countKeepaliveProbe() -> Bool {
        guard keepaliveProbes < TCPBounds.keepaliveLimit else { return false }
        keepaliveProbes += 1
        return true
    }

    /// Whether another challenge may be sent (RFC 5961 §7); it is counted.
    mutating func takeChallenge(now: UInt64) -> Bool {
        guard now >= challengeAt else { return false }
        challengeAt = now &+ TCPBounds.challengeInterval
        return true
    }

    // MARK: The wheel

    /// The earliest deadline, or `never`.
    ///
    /// - Parameters:
    ///   - lookAt: when the far end is to be looked at, or `never`.
    ///   - keepsAlive: the state is one in which a silent guest is probed.
    @inline(__always)
    func earliest(lookAt: UInt64, keepsAlive: Bool) -> UInt64 {
        var earliest = lookAt
        switch timer {
        case .idle: break
        case .retransmit(let at), .probe(let at, _), .close(let at): earliest = min(earliest, at)
        }
        return keepsAlive ? min(earliest, keepaliveAt) : earliest
    }

    /// Whether the wheel has to have an entry for `deadline`, which is noted: it has none that is as early.
    @inline(__always)
    mutating func mustWake(at deadline: UInt64) -> Bool {
        guard deadline < wakeAt else { return false }
        wakeAt = deadline
        return true
    }

    /// The wheel's entry has fired.
    mutating func woke() { wakeAt = Deadlines.never }
}
