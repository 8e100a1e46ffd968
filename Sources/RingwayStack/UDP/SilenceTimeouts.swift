internal import RingwayModel

/// Idle timeouts of UDP mappings and pings, nanoseconds.
struct SilenceTimeouts: Sendable {
    let udp: UInt64
    /// The timeout of a mapping that has sent only to port 53 and has an unanswered query.
    let dns: UInt64
    /// The timeout of such a mapping once all its queries are answered. It leaves time for duplicate answers, and for
    /// a second query from the same socket.
    let answeredDNS: UInt64
    let ping: UInt64

    private static var second: UInt64 { 1_000_000_000 }
    /// The largest timeout, seconds. The sum of a timeout and a clock reading is then far from overflow.
    private static var longest: Int { 1 << 30 }

    init(_ limits: Limits) {
        func nanoseconds(_ seconds: Int) -> UInt64 { UInt64(min(max(1, seconds), Self.longest)) * Self.second }
        udp = nanoseconds(limits.udpTimeout)
        dns = nanoseconds(limits.dnsTimeout)
        answeredDNS = min(5 * Self.second, dns)
        ping = nanoseconds(limits.icmpTimeout)
    }

    func life(of mapping: UDPMapping) -> UInt64 {
        guard mapping.isNameQuery else { return udp }
        return mapping.answersDue == 0 ? answeredDNS : dns
    }
}
