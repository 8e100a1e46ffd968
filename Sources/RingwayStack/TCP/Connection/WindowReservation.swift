/// The bytes reserved by all receive windows of a shard. A window grows only if the pool has room for it, and never
/// shrinks (RFC 9293 §3.8.6.2.1): advertised bytes, and received bytes that the host has not accepted, stay reserved.
struct WindowReservation {
    private(set) var reserved = 0
    /// The bound of the reservation. Unsent payload always fits into small buffers alone, half of which are left for
    /// data from the host.
    let limit: Int

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
