public import RingwayWire

/// The timestamps of one connection (RFC 7323 §3 to 5): the stack's clock, and the guest's timestamps.
///
/// A guest needs timestamps to reuse a tuple that is in TIME-WAIT: its kernel does so only if the old connection had
/// timestamps. Timestamps also detect old segments after a wrap of the sequence numbers (PAWS), and allow round-trip
/// samples of retransmitted segments.
@frozen
public struct Timestamps: BitwiseCopyable {
    /// The stack's timestamp at the monotonic clock's zero. It is random, so that a guest cannot infer the host's
    /// uptime. It is equal for all connections of a tuple, so that a guest whose old connection is in TIME-WAIT sees
    /// the timestamps increase.
    private var offset: UInt32 = 0
    /// The value to echo (TS.Recent).
    public private(set) var recent: UInt32 = 0
    /// When `recent` was set, monotonic nanoseconds.
    private var recentAt: UInt64 = 0
    /// The timestamp of the current segment.
    private var arrived: UInt32 = 0
    /// The acknowledgement number of the stack's last segment (Last.ACK.sent).
    private var acknowledged = SequenceNumber(0)

    /// The stack's timestamp clock, nanoseconds per tick: RFC 7323 §5.4 requires 1 ms to 1 s.
    static var tick: UInt64 { 1_000_000 }
    /// The age, nanoseconds, from which `recent` is invalid: half the time in which a clock with ticks of 1 µs wraps;
    /// Linux has such clocks. The 24 days of RFC 7323 §5.5 are for clocks with ticks of 1 ms.
    static var outdated: UInt64 { (1 << 31) * 1_000 }

    public init() {}

    mutating func begin(offset: UInt32) { self.offset = offset }

    /// Takes the timestamp of the guest's SYN.
    mutating func accept(_ value: UInt32, inSYNAt sequence: SequenceNumber, now: UInt64) {
        recent = value
        recentAt = now
        acknowledged = sequence
    }

    /// The stack's clock (TSval).
    @inline(__always)
    func clock(now: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: now / Self.tick) &+ offset }

    /// Records the acknowledgement number of a segment that is being sent.
    @inline(__always)
    mutating func noteSent(_ acknowledgement: SequenceNumber) { acknowledged = acknowledgement }

    /// RFC 7323 §5.3 R1: whether a segment's timestamp is not older than `recent`. Records the timestamp in `arrived`
    /// in either case: the caller accepts an older one if `recent` is outdated.
    @inline(__always)
    mutating func isRecent(_ value: UInt32) -> Bool {
        arrived = value
        return Int32(bitPattern: value &- recent) >= 0
    }

    /// Whether `recent` is too old for comparison.
    func areOutdated(now: UInt64) -> Bool { now &- recentAt >= Self.outdated }

    /// RFC 7323 §4.3 (2): the value to echo is that of the earliest segment that the next acknowledgement covers. Call
    /// this for each segment that is neither old nor outside the window, after `isRecent`.
    @inline(__always)
    mutating func noteAcceptable(at sequence: SequenceNumber, now: UInt64) {
        guard !acknowledged.precedes(sequence) else { return }
        recent = arrived
        recentAt = now
    }

    /// Whether a SYN's timestamp is later than `recent`, so that the SYN may replace the connection (RFC 6191).
    func precede(_ value: UInt32) -> Bool { Int32(bitPattern: value &- recent) > 0 }

    /// Nanoseconds since the stack sent the echoed timestamp; `nil` if the echo is not a timestamp of the last
    /// minute.
    func age(ofEcho echo: UInt32, now: UInt64) -> UInt64? {
        let ticks = UInt64(clock(now: now) &- echo)
        guard ticks &* Self.tick <= TCPBounds.longestRetransmission else { return nil }
        return max(1, ticks) &* Self.tick
    }
}
