internal import CRingway

/// Raises the soft limit of descriptors to the hard limit, at most 2^20, because each connection needs two.
enum DescriptorLimit {
    private static var wanted: UInt64 { 1 << 20 }
    /// The number of descriptors for which the kernel's table is made large enough at the start, while the process has
    /// one thread. With several threads each growth of the table waits for an RCU grace period.
    private static var room: UInt64 { 1 << 14 }

    static func raise() {
        var (soft, hard): (UInt64, UInt64) = (0, 0)
        guard ringway_file_limit(&soft, &hard) == 0 else { return }
        if soft < min(wanted, hard) { _ = ringway_set_file_limit(min(wanted, hard), hard) }
        ringway_grow_descriptor_table(Int32(min(hard, room)))
    }
}
