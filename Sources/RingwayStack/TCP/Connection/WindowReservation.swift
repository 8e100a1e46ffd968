/// The bytes of the pool that the receive windows of a guest on a shard reserve: those that the guest may still send,
/// and those that it has sent but the host has not accepted. A window never shrinks (RFC 9293 §3.8.6), so the bytes
/// stay reserved until the host has accepted them.
///
/// A connection may reserve up to twice the bytes that remain unreserved afterwards, but at least a minimum. So a
/// connection alone gets two thirds of `limit`, `n` of them get `2 / (2 * n + 1)` each, and there is always room for
/// one more (dynamic thresholds; Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet
/// switches", 1998).
struct WindowReservation {
    private(set) var reserved = 0
    /// The bytes to divide: the guest's share of half of the shard's small buffers. So all payload that the host has
    /// not accepted fits in small buffers if it must be copied. The other half of the small buffers is for other
    /// data. If the limit becomes smaller, earlier reservations remain.
    var limit: Int

    @inline(__always) mutating func reserve(_ bytes: Int) { reserved &+= bytes }

    @inline(__always) mutating func release(_ bytes: Int) { reserved &-= bytes }

    /// The most bytes that a connection may have reserved, unless its minimum window is larger.
    ///
    /// - Parameter held: the bytes that the connection has reserved.
    @inline(__always)
    func threshold(holding held: Int) -> Int { max(0, (limit &- reserved &+ held) &* 2 / 3) }

    /// The minimum window when little is free, so that every connection makes progress: half of the limit divided by the
    /// number of connections, but within one to three full segments.
    func leastWindow(connections: Int) -> UInt32 {
        let share = limit / 2 / max(1, connections)
        return UInt32(clamping: max(TCPBounds.leastWindow.lowerBound, min(share, TCPBounds.leastWindow.upperBound)))
    }
}
