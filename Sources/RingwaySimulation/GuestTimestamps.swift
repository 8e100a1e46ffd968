/// The timestamps of a model guest's connection, and checks of the stack's timestamps (RFC 7323 §3 to §5).
struct GuestTimestamps {
    /// Nanoseconds per tick of the timestamp clock: from 1 ms to 1 s, as in kernels.
    let tick: UInt64
    /// The timestamp clock's value at time zero. It is random, so that the clock wraps during some connections.
    let offset: UInt32
    private var recent: UInt32 = 0
    private var acknowledged: UInt32 = 0
    private var first: UInt32?
    private var latest: UInt32 = 0

    init(from random: inout SplitMix64) {
        tick = random.pick([1_000_000, 1_000_000, 4_000_000, 10_000_000, 1_000_000_000])
        offset = UInt32(truncatingIfNeeded: random.next())
    }

    mutating func begin(_ stamp: Stamp, inSYNAt sequence: UInt32) {
        recent = stamp.value
        acknowledged = sequence
    }

    /// The timestamps of a segment to be sent.
    mutating func next(now: UInt64, acknowledging acknowledgement: UInt32?) -> Stamp {
        latest = UInt32(truncatingIfNeeded: now / tick) &+ offset
        if first == nil { first = latest }
        if let acknowledgement { acknowledged = acknowledgement }
        return Stamp(value: latest, echo: acknowledgement == nil ? 0 : recent)
    }

    /// The error in a segment's timestamps, if any. Old timestamps are no error, because the link may reorder segments.
    func fault(in segment: Segment) -> String? {
        // No run lasts for half of the clock's range, so comparisons with `first` are unambiguous.
        guard let stamp = segment.stamp, segment.flags.contains(.ack), let first else { return nil }
        if Stamp.isEarlier(stamp.echo, first) || Stamp.isEarlier(latest, stamp.echo) {
            return "the timestamp \(stamp.echo) is echoed, which was never sent"
        }
        return nil
    }

    /// Whether PAWS rejects a segment with this timestamp (RFC 7323 §5.3 R1).
    func isOld(_ stamp: Stamp) -> Bool { Stamp.isEarlier(stamp.value, recent) }

    /// Updates TS.Recent from a segment inside the window (RFC 7323 §4.3).
    mutating func note(_ stamp: Stamp, at sequence: UInt32) {
        guard Int32(bitPattern: acknowledged &- sequence) >= 0, !isOld(stamp) else { return }
        recent = stamp.value
    }
}
