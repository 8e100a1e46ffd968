public import RingwayWire

/// Presents the gateway as the guests' IPv6 router (RFC 4861 §6.2): a prefix to make addresses from, the MTU, name
/// servers and search domains (RFC 8106).
///
/// The message changes with the search domains alone, so it is written when they do; sending it is a copy and a checksum. It goes out to all nodes at
/// intervals, three times quickly at the start, and in answer to solicitations. A solicitation is answered at once: the delay of
/// up to half a second in RFC 4861 §6.2.6 spreads the answers of several routers, and zero, which it allows, spares a
/// guest that boots the wait. So many of them are answered in a second: a solicitation costs the guest less than its
/// answer costs us.
public struct RouterAdvertisement: ~Copyable {
    /// What is advertised besides the plan's addresses.
    public struct Configuration: Sendable {
        /// Servers of names, in order; empty means the gateway.
        public var nameServers: [IPv6Address] = []
        /// The longest time between two advertisements, 4 to 1,800 seconds (RFC 4861 §6.2.1).
        public var longestInterval: UInt32 = 600
        /// Decides the intervals.
        public var seed: UInt64 = 0x9E37_79B9_7F4A_7C15

        /// The gateway for names, an advertisement every 200 to 600 seconds.
        public init() {}
    }

    /// Bytes that always hold the frame: an IPv6 packet of the least MTU.
    public static var frameLength: Int { EthernetHeader.length + NetworkPlan.minimumMTU }

    /// RFC 4861 §10: `MAX_INITIAL_RTR_ADVERTISEMENTS` and `MAX_INITIAL_RTR_ADVERT_INTERVAL`.
    static var initialCount: Int { 3 }
    static var initialInterval: UInt64 { 16 * 1_000_000_000 }

    /// Solicitations answered at once, and in a second: a machine sends three in twelve seconds when it starts
    /// (RFC 4861 §6.3.7), and behind one interface there may be many.
    static var answerBurst: UInt32 { 64 }
    static var answerRate: UInt32 { 32 }

    /// When `advertise` is due next, monotonic nanoseconds.
    public private(set) var nextDeadline: UInt64
    /// Unsolicited advertisements.
    public private(set) var unsolicited: UInt64 = 0
    /// Solicitations answered.
    public private(set) var answers: UInt64 = 0
    /// Solicitations not answered.
    public private(set) var drops = ServiceDropCounts()

    private let gatewayMAC: MACAddress
    private let source: IPv6Address
    private let longestInterval: UInt64
    private let message: UnsafeMutableRawBufferPointer
    private var messageLength: Int
    private var plan: NetworkPlan
    private let configuration: Configuration
    private var initialLeft = initialCount
    private var answerBucket: TokenBucket
    private var random: UInt64

    /// A router whose first advertisement is due at `now` (monotonic nanoseconds).
    public init(plan: NetworkPlan, configuration: Configuration = Configuration(), now: UInt64 = 0) {
        let longest = min(max(configuration.longestInterval, 4), 1_800)
        self.plan = plan
        self.configuration = configuration
        gatewayMAC = plan.gatewayMAC
        source = plan.gatewayLinkLocal
        longestInterval = UInt64(longest) * 1_000_000_000
        random = configuration.seed
        nextDeadline = now
        answerBucket = TokenBucket(capacity: Self.answerBurst, perSecond: Self.answerRate, now: now)
        message = .allocate(byteCount: NetworkPlan.minimumMTU - IPv6Header.length, alignment: 8)
        messageLength = Self.write(plan, configuration, withdrawn: [], longestInterval: longest, to: message)
    }

    deinit {
        message.deallocate()
    }

    /// Writes the message without its checksum, and returns its length.
    private static func write(
        _ plan: NetworkPlan, _ configuration: Configuration, withdrawn: [String], longestInterval: UInt32,
        to message: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard let base = message.baseAddress else { return 0 }
        // RFC 4861 §6.2.1 and RFC 8106 §5.1: three intervals, so that two advertisements may be lost.
        let lifetime = longestInterval * 3
        var options = RouterAdvertisementFields(routerLifetime: UInt16(lifetime))
            .write(to: base, capacity: message.count)
        options.appendLinkLayerAddress(NDPOptions.sourceLinkLayerAddress, plan.gatewayMAC)
        options.appendMTU(UInt32(plan.mtu))
        // A prefix made up for one run must not outlive it for a month, RFC 4861's default. RFC 9096 §3.4 gives renumbered
        // home networks 90 and 45 minutes, a multiple of our interval; so do we.
        options.appendPrefix(
            plan.ipv6Prefix, validLifetime: max(5_400, lifetime), preferredLifetime: max(2_700, lifetime))
        let servers = configuration.nameServers.isEmpty ? [plan.gatewayIPv6] : configuration.nameServers
        options.appendRecursiveDNSServers(Array(servers.prefix(8)), lifetime: lifetime)
        options.appendDomainSearchList(
            plan.searchDomains.filter { DomainNameEncoding.encode($0) != nil }, lifetime: lifetime)
        options.appendDomainSearchList(withdrawn.filter { DomainNameEncoding.encode($0) != nil }, lifetime: 0)
        return options.length
    }

    /// Has guests search other domains: all nodes are told at once, and that the former ones are no longer to be searched
    /// (RFC 8106 §5.3.1).
    public mutating func setSearchDomains(_ domains: [String], now: UInt64) {
        guard domains != plan.searchDomains else { return }
        let withdrawn = plan.searchDomains.filter { !domains.contains($0) }
        plan.searchDomains = domains
        messageLength = Self.write(
            plan, configuration, withdrawn: withdrawn, longestInterval: UInt32(longestInterval / 1_000_000_000),
            to: message)
        nextDeadline = now
    }

    // MARK: Sending

    /// Answers a router solicitation.
    ///
    /// - Parameters:
    ///   - frame: the ethernet frame, without virtio-net header.
    ///   - summary: what `FrameSummary.parse` found in it; of kind `.icmpv6`.
    ///   - now: monotonic nanoseconds.
    ///   - reply: where the answer goes; `frameLength` bytes suffice.
    /// - Returns: bytes of the answer, zero when there is none.
    public mutating func respond(
        to frame: UnsafeRawBufferPointer, _ summary: FrameSummary, now: UInt64,
        into reply: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard summary.hopLimit == NeighborDiscovery.hopLimit else { return drop(.neighborHopLimit) }
        guard summary.kind == .icmpv6, let question = summary.checkedMessage(in: frame),
            let solicitation = RouterSolicitation(question)
        else { return drop(.neighborMalformed) }
        let isAnonymous = summary.source.isUnspecified
        // RFC 4861 §6.1.1: a sender without an address must not send its link-layer address.
        guard !isAnonymous || solicitation.options.option(NDPOptions.sourceLinkLayerAddress) == nil else {
            return drop(.neighborMalformed)
        }
        guard answerBucket.take(now: now) else { return drop(.solicitationRateLimited) }
        // To all nodes by address, but as an ethernet frame to the one that asked (RFC 6085).
        let destination = isAnonymous ? IPv6Address.allNodes : summary.source.ipv6
        let length = write(to: destination, summary.sourceMAC, routerLifetime: nil, into: reply)
        guard length > 0 else { return drop(.replyDoesNotFit) }
        answers &+= 1
        return length
    }

    /// Sends the advertisement to all nodes if it is due at `now`, and sets the next deadline.
    ///
    /// - Returns: bytes of the frame; zero when it is not due.
    public mutating func advertise(now: UInt64, into frame: UnsafeMutableRawBufferPointer) -> Int {
        guard now >= nextDeadline else { return 0 }
        schedule(after: now)
        let length = write(to: .allNodes, .multicast(IPv6Address.allNodes), routerLifetime: nil, into: frame)
        guard length > 0 else { return drop(.replyDoesNotFit) }
        unsolicited &+= 1
        return length
    }

    /// Tells all nodes that the gateway stops being a router (RFC 4861 §6.2.5).
    ///
    /// - Returns: bytes of the frame; zero when it does not fit.
    public mutating func withdraw(into frame: UnsafeMutableRawBufferPointer) -> Int {
        let length = write(to: .allNodes, .multicast(IPv6Address.allNodes), routerLifetime: 0, into: frame)
        return length > 0 ? length : drop(.replyDoesNotFit)
    }

    /// RFC 4861 §6.2.4: uniformly between a third of the longest interval and the whole, at most 16 seconds at first.
    private mutating func schedule(after now: UInt64) {
        let shortest = longestInterval / 3
        var interval = shortest + nextRandom() % (longestInterval - shortest + 1)
        if initialLeft > 1 {
            interval = min(interval, Self.initialInterval)
            initialLeft -= 1
        }
        nextDeadline = now &+ interval
    }

    /// splitmix64; nothing depends on it but that guests of several networks do not answer in step.
    private mutating func nextRandom() -> UInt64 {
        random &+= 0x9E37_79B9_7F4A_7C15
        var mixed = random
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    private func write(
        to destination: IPv6Address, _ mac: MACAddress, routerLifetime: UInt16?,
        into frame: UnsafeMutableRawBufferPointer
    ) -> Int {
        let packet = PacketHeaders(
            from: IPAddress(source), to: IPAddress(destination), protocolNumber: IPProtocol.icmpv6,
            payloadLength: messageLength, hopLimit: NeighborDiscovery.hopLimit)
        guard let advertisement = packet.start(in: frame, from: gatewayMAC, to: mac) else { return 0 }
        advertisement.copyMemory(from: UnsafeRawBufferPointer(rebasing: message[..<messageLength]))
        if let routerLifetime {
            advertisement.storeBytes(of: routerLifetime.bigEndian, toByteOffset: 6, as: UInt16.self)
        }
        packet.sealICMP(advertisement)
        return packet.ethernetLength
    }

    private mutating func drop(_ reason: ServiceDrop) -> Int {
        drops.count(reason)
        return 0
    }
}
