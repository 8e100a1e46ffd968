/// Sharing the shard's pool with other guests, and leaving it.
extension Stack {
    /// So many guests share the shard's pool: each may promise to take its share of it.
    public mutating func setShare(of guests: Int) { tcp.setShare(of: guests, core.configuration.limits) }

    /// Forgets some connections, from a place in their table on, at the end of the guest: their buffers go back, and the
    /// owner closes their sockets. False when there are no more; then the stack holds no buffer, and is given no frame.
    public mutating func forgetConnections(from cursor: inout UInt32) -> Bool { tcp.forget(512, from: &cursor, &core) }
}
