public import RingwayModel
public import RingwayWire

/// Sends router advertisements for the gateway (RFC 4861 §6.2): the prefix, the MTU, DNS servers and search domains
/// (RFC 8106).
///
/// The message changes only with the search domains, and is rebuilt then; sending it is a copy and a checksum. It is
/// sent to all nodes at random intervals, of which the first two are at most 16 seconds, and in reply to
/// solicitations. A solicitation is answered at once: the random delay of up to half a second in RFC 4861 §6.2.6
/// spreads the replies of several routers, and zero is permitted. The rate of replies is limited, because a
/// solicitation is cheaper for the guest than the reply is for the shard.
public struct RouterAdvertisement: ~Copyable {
    /// The settings that the network plan does not contain.
    public struct Configuration: Sendable {
        /// DNS servers, in order, of which the first eight are advertised; if empty, the gateway is.
        public var nameServers: [IPv6Address] = []
        /// MaxRtrAdvInterval, 4 to 1,800 seconds (RFC 4861 §6.2.1).
        public var longestInterval: UInt32 = 600
        /// The seed of the random intervals.
        public var seed: UInt64 = 0x9E37_79B9_7F4A_7C15

        /// Creates the default settings: the gateway as DNS server, and an advertisement every 200 to 600 seconds.
        public init() {}
    }

    /// The buffer size that suffices for a frame: an IPv6 packet of the minimum MTU.
    public static var frameLength: Int { EthernetHeader.length + NetworkPlan.minimumMTU }

    /// RFC 4861 §10: `MAX_INITIAL_RTR_ADVERTISEMENTS` and `MAX_INITIAL_RTR_ADVERT_INTERVAL`.
    static var initialCount: Int { 3 }
    static var initialInterval: UInt64 { 16 * 1_000_000_000 }

    /// The burst and the rate per second of solicited advertisements: a machine sends three solicitations in twelve
    /// seconds when it starts (RFC 4861 §6.3.7), and one interface may have many machines behind it.
    static var answerBurst: UInt32 { 64 }
    static var answerRate: UInt32 { 32 }

    /// When `advertise` is due, monotonic nanoseconds.
    public private(set) var nextDeadline: UInt64
    /// Unsolicited advertisements sent.
    public private(set) var unsolicited: UInt64 = 0
    /// Solicitations answered.
    public private(set) var answers: UInt64 = 0
    /// Solicitations not answered, and advertisements that did not fit the caller's buffer.
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

    /// Writes the message without its checksum, and returns its length. `withdrawn` are search domains that no longer
    /// apply.
    private static func write(
        _ plan: NetworkPlan, _ configuration: Configuration, withdrawn: [String], longestInterval: UInt32,
        to message: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard let base = message.baseAddress else { return 0 }
        // RFC 4861 §6.2.1, RFC 8106 §5.1: lifetimes are three intervals, so that two advertisements in a row may be
        // lost.
        let lifetime = longestInterval * 3
        var options = RouterAdvertisementFields(routerLifetime: UInt16(lifetime))
            .write(to: base, capacity: message.count)
        options.appendLinkLayerAddress(NDPOptions.sourceLinkLayerAddress, plan.gatewayMAC)
        options.appendMTU(UInt32(plan.mtu))
        // The prefix may be random and then ends with the process, so hosts must not keep it for RFC 4861's default
        // of 30 days. The lifetimes are at least the 90 and 45 minutes that RFC 9096 §3.4 gives renumbered home
        // networks.
        options.appendPrefix(
            plan.ipv6Prefix, validLifetime: max(5_400, lifetime), preferredLifetime: max(2_700, lifetime))
        let servers = configuration.nameServers.isEmpty ? [plan.gatewayIPv6] : configuration.nameServers
        options.appendRecursiveDNSServers(Array(servers.prefix(8)), lifetime: lifetime)
        options.appendDomainSearchList(
            plan.searchDomains.filter { DomainNameEncoding.encode($0) != nil }, lifetime: lifetime)
        options.appendDomainSearchList(withdrawn.filter { DomainNameEncoding.encode($0) != nil }, lifetime: 0)
        return options.length
    }

    /// Changes the search domains, and makes an advertisement to all nodes due at once. From then on, advertisements
    /// list the domains that the change removed, with a lifetime of zero (RFC 8106 §5.3.1).
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
    ///   - summary: the result of `FrameSummary.parse` for the frame; of kind `.icmpv6`.
    ///   - now: monotonic nanoseconds.
    ///   - reply: the buffer for the reply; `frameLength` bytes suffice.
    /// - Returns: the length of the reply in bytes; zero if there is no reply.
    public mutating func respond(
        to frame: UnsafeRawBufferPointer, _ summary: FrameSummary, now: UInt64,
        into reply: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard summary.hopLimit == NeighborDiscovery.hopLimit else { return drop(.neighborHopLimit) }
        guard summary.kind == .icmpv6, let question = summary.checkedMessage(in: frame),
            let solicitation = RouterSolicitation(question)
        else { return drop(.neighborMalformed) }
        let isAnonymous = summary.source.isUnspecified
        // RFC 4861 §6.1.1: a solicitation from the unspecified address must not have a source link-layer address
        // option.
        guard !isAnonymous || solicitation.options.option(NDPOptions.sourceLinkLayerAddress) == nil else {
            return drop(.neighborMalformed)
        }
        guard answerBucket.take(now: now) else { return drop(.solicitationRateLimited) }
        // A node without an address is answered at the all-nodes address, but the ethernet frame goes to that node
        // only (RFC 6085).
        let destination = isAnonymous ? IPv6Address.allNodes : summary.source.ipv6
        let length = write(to: destination, summary.sourceMAC, routerLifetime: nil, into: reply)
        guard length > 0 else { return drop(.replyDoesNotFit) }
        answers &+= 1
        return length
    }

    /// Writes the advertisement to all nodes if it is due at `now`, and sets the next deadline.
    ///
    /// - Returns: the length of the frame in bytes; zero if the advertisement is not due, or does not fit.
    public mutating func advertise(now: UInt64, into frame: UnsafeMutableRawBufferPointer) -> Int {
        guard now >= nextDeadline else { return 0 }
        schedule(after: now)
        let length = write(to: .allNodes, .multicast(IPv6Address.allNodes), routerLifetime: nil, into: frame)
        guard length > 0 else { return drop(.replyDoesNotFit) }
        unsolicited &+= 1
        return length
    }

    /// Writes the final advertisement, with a router lifetime of zero (RFC 4861 §6.2.5).
    ///
    /// - Returns: the length of the frame in bytes; zero if it does not fit.
    public mutating func withdraw(into frame: UnsafeMutableRawBufferPointer) -> Int {
        let length = write(to: .allNodes, .multicast(IPv6Address.allNodes), routerLifetime: 0, into: frame)
        return length > 0 ? length : drop(.replyDoesNotFit)
    }

    /// Sets the next deadline: after a random time between a third of the longest interval and the whole. The first
    /// two intervals are at most 16 seconds (RFC 4861 §6.2.4).
    private mutating func schedule(after now: UInt64) {
        let shortest = longestInterval / 3
        var interval = shortest + nextRandom() % (longestInterval - shortest + 1)
        if initialLeft > 1 {
            interval = min(interval, Self.initialInterval)
            initialLeft -= 1
        }
        nextDeadline = now &+ interval
    }

    /// splitmix64. RFC 4861 §6.2.4 asks for random intervals; they need not be unpredictable.
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
