internal import CRingway

/// Each connection takes two descriptors, so as many are asked for as there may be.
enum DescriptorLimit {
    private static var wanted: UInt64 { 1 << 20 }

    static func raise() {
        var (soft, hard): (UInt64, UInt64) = (0, 0)
        guard ringway_file_limit(&soft, &hard) == 0, soft < min(wanted, hard) else { return }
        _ = ringway_set_file_limit(min(wanted, hard), hard)
    }
}
