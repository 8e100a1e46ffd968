/// The sum of all advertised receive windows of a guest on a shard, as bytes reserved from the pool. A window grows
/// only while the sum is below `limit` or the window is below a minimum, and never shrinks (RFC 9293 §3.8.6.2.1). The
/// reserved bytes are those that the guest may still send, and those that it has sent but the host has not accepted.
struct WindowReservation {
    private(set) var reserved = 0
    /// The most bytes to reserve: the guest's share of half of the shard's small buffers. All payload that the host has
    /// not accepted fits in these if it must be copied; the other half is for data from the host. If the limit becomes
    /// smaller, earlier reservations remain.
    var limit: Int

    @inline(__always) mutating func reserve(_ bytes: Int) { reserved &+= bytes }

    @inline(__always) mutating func release(_ bytes: Int) { reserved &-= bytes }

    /// Whether `bytes` more may be reserved.
    @inline(__always) func hasRoom(for bytes: Int) -> Bool { reserved &+ bytes <= limit }

    /// The minimum window when everything is reserved, so that every connection makes progress: half of the limit
    /// divided by the number of connections, but within one to three full segments.
    func leastWindow(connections: Int) -> UInt32 {
        let share = limit / 2 / max(1, connections)
        return UInt32(clamping: max(TCPBounds.leastWindow.lowerBound, min(share, TCPBounds.leastWindow.upperBound)))
    }
}
