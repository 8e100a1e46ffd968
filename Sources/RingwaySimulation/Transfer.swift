internal import RingwayModel
internal import RingwayStack
internal import RingwayWire

/// A bulk transfer from the host to the guest over a path with fixed properties, to compare congestion control
/// algorithms. The path loses single segments to the guest, but never the guest's acknowledgements. The host always
/// has data to send, and the guest's window is larger than the path needs.
public struct Transfer: Sendable {
    public var bytes = 64 << 20
    /// The fraction of segments to the guest that are lost, in addition to queue overflow.
    public var loss = 0.0
    /// The round-trip time in nanoseconds, without queueing delay.
    public var roundTrip: UInt64 = 1_000_000
    /// The rate of the bottleneck link, in bytes per second.
    public var rate: UInt64 = 12_500_000

    public init() {}

    /// The queue of the bottleneck link in bytes: one bandwidth-delay product, as is usual for routers, but at least
    /// the 64 KiB of a super-frame (GSO).
    var queue: UInt64 { max(65_536, rate * roundTrip / 1_000_000_000) }

    /// Bits per second of a transfer that took `nanoseconds`.
    public func goodput(over nanoseconds: UInt64) -> Double {
        nanoseconds == 0 ? 0 : Double(bytes) * 8e9 / Double(nanoseconds)
    }
}

extension Scenario {
    /// - Parameter seed: determines which segments are lost.
    init?(_ transfer: Transfer, seed: UInt64) {
        let prefix = IPv6Address(high: 0xFD12_3456_789A_0000, low: 0)
        guard let block = CIDRBlock("192.168.127.0/24"),
            let plan = NetworkPlan(ipv4: block, ipv6Prefix: prefix, mtu: 1_500)
        else { return nil }
        var random = SplitMix64(seed: SplitMix64.mix(seed &+ 0x5472_616E_7366_6572))
        self.seed = seed
        self.plan = plan
        var limits = Limits()
        limits.flowsPerGuest = 64
        limits.poolBytesPerShard = 128 << 20
        self.limits = limits
        secret = random.next()
        startsAt = 1_000_000_000
        var back = LinkFaults()
        back.delay = transfer.roundTrip / 2
        var forth = back
        forth.loss = transfer.loss
        forth.rate = transfer.rate
        forth.queue = transfer.queue
        fromGuest = back
        toGuest = forth
        // The losses never end.
        healsAfter = 1 << 62
        linkCuts = true
        turnLength = 0
        largestStream = transfer.bytes
        generator = random.split()
        let server = TransportAddress(address: IPAddress(IPv4Address(198, 51, 100, 1)), port: 20_000)
        var script = FlowScript(
            guest: TransportAddress(address: IPAddress(plan.firstGuestIPv4), port: 40_000), remote: server,
            hostAddress: server)
        script.hostBytes = transfer.bytes
        script.guestCloses = .afterPeerEnded
        script.connectDelay = 1_000
        script.hostDelay = 1_000
        script.behavior.maximumSegmentSize = 1_460
        script.behavior.windowScale = 10
        script.behavior.receiveBuffer = 32 << 20
        script.behavior.readSize = 32 << 20
        script.behavior.acknowledgementDelay = 40_000_000
        flows = [script]
    }
}
