internal import CRingway
internal import RingwayStorage

extension DescriptorBudget {
    /// The budget of this process, shared by all its networks. Its limit is the one at the time of first use.
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

/// The descriptors of control connections. They are counted, because guests only return borrowed descriptors for
/// counted ones; and they are limited, because local clients must not use up the descriptors of guests.
package enum ControlDescriptors {
    /// The most control connections: a part of the process's descriptors.
    package static let limit = max(16, min(1_024, DescriptorBudget.ofProcess.limit / 8))

    /// Counts an accepted connection; false if guests would be left with less than their minimum share. `release`
    /// undoes it.
    package static func admit() -> Bool { DescriptorBudget.ofProcess.addStandingWhereFree(1) }

    package static func release() { DescriptorBudget.ofProcess.removeStanding(1) }
}
