public import RingwayWire

/// The timestamps of one connection (RFC 7323 §3 to 5): those on our segments, and what the guest's have come to.
///
/// Guests ask for them, because a kernel uses a tuple anew that waits in TIME-WAIT only where the old connection had them.
/// They also tell an old segment of the guest's, on a long connection whose sequence numbers have come round (PAWS), and
/// how long the way is when segments were sent again.
@frozen
public struct Timestamps: BitwiseCopyable {
    /// What our clock shows at the monotonic clock's zero: random, so that a guest cannot tell how long the host has run,
    /// and the same for every connection on a tuple, so that a guest whose old one is in TIME-WAIT sees it rise.
    private var offset: UInt32 = 0
    /// The value to echo (TS.Recent).
    public private(set) var recent: UInt32 = 0
    /// When that was set, monotonic nanoseconds.
    private var recentAt: UInt64 = 0
    /// The value of the segment at hand.
    private var arrived: UInt32 = 0
    /// What our latest segment acknowledged (Last.ACK.sent).
    private var acknowledged = SequenceNumber(0)

    /// Our clock's tick, nanoseconds: RFC 7323 §5.4 wants between 1 ms and 1 s.
    static var tick: UInt64 { 1_000_000 }
    /// What was seen longer ago than this, nanoseconds, says nothing any more: half a round of the fastest clock that a
    /// guest has. RFC 7323 §5.5 says 24 days, for clocks of a millisecond; Linux has some of a microsecond.
    static var outdated: UInt64 { (1 << 31) * 1_000 }

    public init() {}

    mutating func begin(offset: UInt32) { self.offset = offset }

    /// The guest's SYN carries timestamps.
    mutating func accept(_ value: UInt32, inSYNAt sequence: SequenceNumber, now: UInt64) {
        recent = value
        recentAt = now
        acknowledged = sequence
    }

    /// Our clock (TSval).
    @inline(__always)
    func clock(now: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: now / Self.tick) &+ offset }

    /// A segment with ACK goes out.
    @inline(__always)
    mutating func noteSent(_ acknowledgement: SequenceNumber) { acknowledged = acknowledgement }

    /// RFC 7323 §5.3 R1: whether a segment, which is noted, is as late as what the guest has sent before. One that is not
    /// may be taken all the same where that is outdated.
    @inline(__always)
    mutating func isRecent(_ value: UInt32) -> Bool {
        arrived = value
        return Int32(bitPattern: value &- recent) >= 0
    }

    /// Whether it is too long ago that the guest's clock was read to compare with it.
    func areOutdated(now: UInt64) -> Bool { now &- recentAt >= Self.outdated }

    /// RFC 7323 §4.3 (2): the value to echo is that of the earliest segment which the next acknowledgement will be for. To
    /// be called when the segment at hand is neither old nor outside of the window.
    @inline(__always)
    mutating func noteAcceptable(at sequence: SequenceNumber, now: UInt64) {
        guard !acknowledged.precedes(sequence) else { return }
        recent = arrived
        recentAt = now
    }

    /// RFC 6191: whether a SYN begins a connection after the one that these timestamps are of.
    func precede(_ value: UInt32) -> Bool { Int32(bitPattern: value &- recent) > 0 }

    /// Nanoseconds since we sent what the guest echoes; `nil` when it is no clock reading of the last minute.
    func age(ofEcho echo: UInt32, now: UInt64) -> UInt64? {
        let ticks = UInt64(clock(now: now) &- echo)
        guard ticks &* Self.tick <= TCPBounds.longestRetransmission else { return nil }
        return max(1, ticks) &* Self.tick
    }
}
