internal import CRingway
internal import RingwayStorage

extension DescriptorBudget {
    /// The budget of this process, which has one table of descriptors however many networks it serves. Its limit is the one
    /// in force when it is first asked for.
    static let ofProcess: DescriptorBudget = {
        var (soft, hard): (UInt64, UInt64) = (0, 0)
        guard ringway_file_limit(&soft, &hard) == 0 else { return DescriptorBudget(limit: 1_024) }
        return DescriptorBudget(limit: Int(clamping: min(soft, 1 << 30)))
    }()

    /// Counts what the process has open, for the sake of what nothing here knows of: listeners, control connections, and
    /// what else the program does.
    func countOpen() {
        let count = ringway_open_descriptors()
        if count >= 0 { note(open: count) }
    }
}

/// The descriptors of control connections. They are counted, because guests give back what they have borrowed only for
/// what is counted; and they are bounded, because local clients that hold connections must not take what guests live on.
package enum ControlDescriptors {
    /// Control connections that a network has at most: a part of the descriptors of the process.
    package static let limit = max(16, min(1_024, DescriptorBudget.ofProcess.limit / 8))

    /// Counts a connection that was accepted; false when guests would be left without their least share. What was counted
    /// is given back by `release`.
    package static func admit() -> Bool { DescriptorBudget.ofProcess.addStandingWhereFree(1) }

    package static func release() { DescriptorBudget.ofProcess.removeStanding(1) }
}
