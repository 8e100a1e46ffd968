internal import CRingway

/// The bound on open descriptors, which is a bound on flows.
enum FileLimit {
    /// Raises the soft limit to the hard one. COMMAND, forked before, keeps its caller's.
    static func raise() {
        guard let (_, hard) = current else { return }
        _ = ringway_set_file_limit(hard, hard)
    }

    /// The soft and the hard limit.
    static var current: (soft: UInt64, hard: UInt64)? {
        var soft: UInt64 = 0
        var hard: UInt64 = 0
        guard ringway_file_limit(&soft, &hard) == 0 else { return nil }
        return (soft, hard)
    }
}
