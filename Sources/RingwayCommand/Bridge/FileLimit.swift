internal import CRingway

/// The limit of open descriptors, which bounds the number of flows.
enum FileLimit {
    /// The most descriptors for which `raise` enlarges the kernel's table, which takes 8 bytes for each.
    private static var room: UInt64 { 1 << 16 }

    /// Raises the soft limit to the hard one, and enlarges the descriptor table while the process has one thread. If
    /// the table grew later, the kernel would wait for an RCU grace period each time. Each of the seven enlargements
    /// for ten thousand descriptors would block a shard for about ten milliseconds. COMMAND, forked earlier, keeps
    /// its caller's limit.
    static func raise() {
        guard let (_, hard) = current else { return }
        _ = ringway_set_file_limit(hard, hard)
        ringway_grow_descriptor_table(Int32(min(hard, room)))
    }

    /// The soft and the hard limit.
    static var current: (soft: UInt64, hard: UInt64)? {
        var soft: UInt64 = 0
        var hard: UInt64 = 0
        guard ringway_file_limit(&soft, &hard) == 0 else { return nil }
        return (soft, hard)
    }
}
