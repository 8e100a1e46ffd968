/// The bytes that all advertised receive windows of a guest on a shard promise to take. A window grows only while the pool can keep
/// the promise, and is never taken back (RFC 9293 §3.8.6.2.1): what the guest may send, and what it has sent and the host
/// has not taken, stays reserved.
struct WindowReservation {
    private(set) var reserved = 0
    /// What may be reserved: a guest's share of half of the small buffers. Unsent payload can always be kept in those alone;
    /// the other half is for what comes from the host. What is reserved beyond a limit that has shrunk stays so.
    var limit: Int

    @inline(__always) mutating func reserve(_ bytes: Int) { reserved &+= bytes }

    @inline(__always) mutating func release(_ bytes: Int) { reserved &-= bytes }

    /// Whether `bytes` more may be reserved.
    @inline(__always) func hasRoom(for bytes: Int) -> Bool { reserved &+ bytes <= limit }

    /// The minimum window when everything is reserved, so that every connection makes progress: half of the limit,
    /// shared by all connections, within one to three full segments.
    func leastWindow(connections: Int) -> UInt32 {
        let share = limit / 2 / max(1, connections)
        return UInt32(clamping: max(TCPBounds.leastWindow.lowerBound, min(share, TCPBounds.leastWindow.upperBound)))
    }
}
