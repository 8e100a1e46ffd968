internal import CRingway

/// The guest's time of day, which stands still while the machine sleeps, unnoticed by the guest.
enum GuestClock {
    /// Nanoseconds of difference that are left to what else keeps the clock, such as NTP.
    private static var tolerance: UInt64 { 100_000_000 }

    /// Sets the clock to the host's when they are apart.
    static func follow(_ host: UInt64) {
        let guest = ringway_clock()
        guard max(guest, host) - min(guest, host) > tolerance else { return }
        if ringway_set_clock(host) != 0 { AgentCommand.say("\(AgentFailure(cannot: "set the clock"))") }
    }
}
