internal import RingwayModel
internal import RingwayStack
internal import RingwayWire

/// A bulk transfer from the host to the guest over a path of one quality, to compare congestion control algorithms by.
/// Segments are lost one by one, acknowledgements not at all; the host always has more to send and the guest's window is
/// larger than any path needs.
public struct Transfer: Sendable {
    public var bytes = 64 << 20
    /// Of the segments to the guest, those that are lost on the way, besides those that find no room in the queue.
    public var loss = 0.0
    /// Nanoseconds to the guest and back, without what segments wait in the queue.
    public var roundTrip: UInt64 = 1_000_000
    /// What the narrowest link carries, bytes a second.
    public var rate: UInt64 = 12_500_000

    public init() {}

    /// Bytes that wait for the narrowest link: what is on its way in a round trip, as routers are made, and a super-frame
    /// at least.
    var queue: UInt64 { max(65_536, rate * roundTrip / 1_000_000_000) }

    /// Bits a second, of a transfer that took so many nanoseconds.
    public func goodput(over nanoseconds: UInt64) -> Double {
        nanoseconds == 0 ? 0 : Double(bytes) * 8e9 / Double(nanoseconds)
    }
}

extension Scenario {
    /// - Parameter seed: decides which segments are lost.
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
        // Never.
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
