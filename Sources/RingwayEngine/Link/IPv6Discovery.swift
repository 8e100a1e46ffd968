internal import RingwayModel
internal import RingwayStack
internal import RingwayWire

/// Detects whether the guest has an IPv6 address of the network. If it has none, the DNS service answers its queries
/// without the IPv6 addresses of the network.
///
/// The guest is known to have such an address if it sends from one, or sends duplicate address detection (RFC 4862
/// §5.4) or a neighbour advertisement for one. A router solicitation is sufficient, too, because SLAAC follows.
struct IPv6Discovery {
    private let shared: EngineShared
    private let plan: NetworkPlan
    private var isKnown = false

    init(shared: EngineShared) {
        self.shared = shared
        plan = shared.configuration.stack.plan
    }

    /// Inspects a frame from the guest, virtio-net header first.
    @inline(__always)
    mutating func inspect(_ summary: FrameSummary, _ frame: UnsafeRawBufferPointer) {
        if summary.isIPv6, !isKnown { findIPv6Use(summary, frame) }
    }

    @inline(never)
    private mutating func findIPv6Use(_ summary: FrameSummary, _ frame: UnsafeRawBufferPointer) {
        var address = summary.source.ipv6
        let message = VirtioNetHeader.length + Int(summary.transportOffset)
        // The target of a neighbour solicitation or advertisement is eight bytes into the message.
        if summary.kind == .icmpv6, frame.count >= message + 24,
            frame[message] == ICMPv6Header.neighborSolicitation && summary.source.isUnspecified
                || frame[message] == ICMPv6Header.neighborAdvertisement, let base = frame.baseAddress
        {
            address = IPv6Address(loadingFrom: base + message + 8)
        }
        let isSolicitation =
            summary.kind == .icmpv6 && frame.count > message && frame[message] == ICMPv6Header.routerSolicitation
        guard isSolicitation || plan.contains(address) && plan.isGuest(address) else { return }
        isKnown = true
        shared.noteIPv6()
    }
}
