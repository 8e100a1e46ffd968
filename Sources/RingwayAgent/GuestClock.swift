internal import CRingway
internal import RingwayConversation

/// The guest's time of day, which stands still while the machine sleeps and nobody tells the guest.
enum GuestClock {
    /// Nanoseconds of difference that are left to whoever else keeps the clock.
    private static var tolerance: UInt64 { 100_000_000 }

    /// Sets the clock to the host's when they are apart.
    static func follow(_ host: UInt64) {
        let guest = ringway_clock()
        guard max(guest, host) - min(guest, host) > tolerance else { return }
        if ringway_set_clock(host) != 0 { AgentCommand.say("\(AgentFailure(cannot: "set the clock"))") }
    }
}
