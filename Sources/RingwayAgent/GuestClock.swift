internal import CRingway

/// The guest's wall clock, which stops while the virtual machine is suspended.
enum GuestClock {
    /// Differences up to this many nanoseconds are left to other clock sources, such as NTP.
    private static var tolerance: UInt64 { 100_000_000 }

    /// Sets the clock to the host's time if they differ by more than `tolerance`.
    static func follow(_ host: UInt64) {
        let guest = ringway_clock()
        guard max(guest, host) - min(guest, host) > tolerance else { return }
        if ringway_set_clock(host) != 0 { AgentCommand.say("\(AgentFailure(cannot: "set the clock"))") }
    }
}
