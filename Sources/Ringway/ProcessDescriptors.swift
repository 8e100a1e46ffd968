internal import CRingway
internal import RingwayStorage

extension DescriptorBudget {
    /// The budget of this process, shared by all its networks. Its limit is the soft limit (RLIMIT_NOFILE) at the time
    /// of first use.
    static let ofProcess: DescriptorBudget = {
        var (soft, hard): (UInt64, UInt64) = (0, 0)
        guard ringway_file_limit(&soft, &hard) == 0 else { return DescriptorBudget(limit: 1_024) }
        return DescriptorBudget(limit: Int(clamping: min(soft, 1 << 30)))
    }()

    /// Counts all open descriptors of the process, including those of other code: listeners, control connections, and
    /// the program's own.
    func countOpen() {
        let count = ringway_open_descriptors()
        if count >= 0 { note(open: count) }
    }
}

/// The descriptors of control connections. They are part of the process's budget: when a control connection needs a
/// descriptor and none is free, a guest that has more than its share must close one. Control connections are limited in
/// number, because local clients must not use up the descriptors of guests.
package enum ControlDescriptors {
    /// The most control connections: an eighth of the process's descriptors, but at least 16 and at most 1,024.
    package static let limit = max(16, min(1_024, DescriptorBudget.ofProcess.limit / 8))

    /// Counts an accepted connection. Returns false, without counting it, if guests would be left with less than their
    /// minimum share. `release` undoes the count.
    package static func admit() -> Bool { DescriptorBudget.ofProcess.addStandingWhereFree(1) }

    package static func release() { DescriptorBudget.ofProcess.removeStanding(1) }
}
