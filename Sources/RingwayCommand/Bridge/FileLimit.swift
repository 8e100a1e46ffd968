internal import CRingway

/// The bound on open descriptors, which is a bound on flows.
enum FileLimit {
    /// Descriptors that the process's table has room for from the start: 8 bytes of the kernel's each.
    private static var room: UInt64 { 1 << 16 }

    /// Raises the soft limit to the hard one, and makes the table of descriptors large while the process has one thread:
    /// later each growth, of seven on the way to ten thousand, would hold a shard up for some ten milliseconds. COMMAND,
    /// forked before, keeps its caller's limit.
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
