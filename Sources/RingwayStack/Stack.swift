public import RingwayStorage
public import RingwayWire

/// One shard's part of the network inside: the gateway a guest talks to, with a complete TCP, UDP, ICMP and the
/// services around them. Pure: it is given frames, socket events and the time, and answers with effects.
///
/// The owner calls, in every turn: `beginTurn`, then `receiveFrame` and the stream and datagram events as they come,
/// taking all `effects` after each, then `runTimers` and `finishTurn`, each until it answers false.
///
/// What runs for every frame is `mutating` even where it changes nothing: the compiler passes `self` of any other method as
/// a value, and copies some three thousand octets to do so.
public struct Stack: ~Copyable {
    /// What the owner chose; fixed for the stack's life.
    public struct Configuration: Sendable {
        public var plan: NetworkPlan
        public var limits: Limits
        public var policy: DestinationPolicy
        /// The guest as set up by whoever made its link; learned from its frames otherwise.
        public var guestMAC: MACAddress
        public var guestIPv4: IPv4Address
        public var guestIPv6: IPv6Address
        public var shard: Int
        public var shards: Int
        /// Random per network; keys the flow hash and the initial sequence numbers.
        public var secret: UInt64
        /// Whether the link takes UDP super-frames (VIRTIO_NET_F_GUEST_USO).
        public var segmentsUDP: Bool
        /// Whether other guests are this one's neighbours, who answer for their addresses themselves; the address of this
        /// one is then the only one that DHCP has for it.
        public var hasNeighbors = false

        public init(
            plan: NetworkPlan, limits: Limits, policy: DestinationPolicy, guestMAC: MACAddress,
            guestIPv4: IPv4Address, guestIPv6: IPv6Address, shard: Int, shards: Int, secret: UInt64,
            segmentsUDP: Bool = true
        ) {
            self.plan = plan
            self.limits = limits
            self.policy = policy
            self.guestMAC = guestMAC
            self.guestIPv4 = guestIPv4
            self.guestIPv6 = guestIPv6
            self.shard = shard
            self.shards = shards
            self.secret = secret
            self.segmentsUDP = segmentsUDP
        }
    }

    public let configuration: Configuration
    public let counters: Counters
    let pool: UnsafeMutablePointer<BufferPool>
    let space: BufferSpace
    let plan: NetworkPlan

    private static var effectPlaces: Int { 4_096 }
    public var effects: EffectQueue
    /// The clock reading of this turn, monotonic nanoseconds.
    public internal(set) var now: UInt64
    var guestMAC: MACAddress
    /// What DHCP gives to the guest.
    var guestIPv4: IPv4Address
    /// Which destinations new flows may have; those that exist are left alone when it changes.
    public var policy: DestinationPolicy

    var table: FlowTable
    var connections: Slab<TCPConnection>
    var mappings: Slab<UDPMapping>
    var pings: Slab<PingMapping>
    var queries: Slab<NameQuery>
    /// Timers: connections first, then mappings, pings, queries, then the services' own.
    var wheel: TimerWheel
    /// Connections to look at when the turn ends.
    var dirtyHead: UInt32 = .max
    var halfOpen: HalfOpenConnections
    /// Where the search for an idle connection goes on.
    var connectionHand = IdleHand()
    /// Octets that all advertised windows promise to take, less what the host has taken.
    var committed = 0
    let commitLimit: Int
    /// Keys the initial sequence numbers.
    var sequenceSalt: UInt64
    var mappingEvictions: EvictionOrder
    /// Where mappings and pings have sent to.
    var peers: PeerTable
    var forwardedMappings = 0
    var publishedPorts = PublishedDatagramPorts()
    let timeouts: SilenceTimeouts
    /// What routers behind the guest have said of the MTU.
    var pathMTUs: PathMTUCache
    /// How many clients of published ports may be refused now.
    var refusalBucket: TokenBucket
    var pingsByAge: AgeList

    var arp: ARPResponder
    var neighbors: NeighborDiscovery
    var routers: RouterAdvertisement
    var dhcp: DHCPServer
    var searchDomains: [String]
    var echo: ICMPEcho
    var errors: ICMPError
    /// How many RST for segments of no connection may be sent now.
    var resetBucket: TokenBucket
    var reassembler: Reassembler
    var identification: UInt32

    /// - Parameters:
    ///   - pool: the shard's buffers; outlives the stack.
    ///   - now: monotonic nanoseconds.
    public init(
        _ configuration: Configuration, pool: UnsafeMutablePointer<BufferPool>, counters: Counters, now: UInt64
    ) throws(MemoryFailure) {
        let limits = configuration.limits
        let flows = max(64, (limits.flowsPerGuest + configuration.shards - 1) / configuration.shards)
        let mappingLimit = max(16, limits.udpMappings)
        let pingLimit = max(1, limits.pingMappings)
        let peerLimit = max(16, (limits.udpPeers + configuration.shards - 1) / configuration.shards)
        // What may fail comes before any stored property is set.
        let effects = try EffectQueue(capacity: Self.effectPlaces)
        let table = try FlowTable(
            capacity: flows + mappingLimit + pingLimit + peerLimit, secret: configuration.secret)
        let peers = try PeerTable(capacity: peerLimit, owners: mappingLimit + pingLimit)
        let connections = try Slab<TCPConnection>(capacity: flows)
        let mappings = try Slab<UDPMapping>(capacity: mappingLimit)
        let pings = try Slab<PingMapping>(capacity: pingLimit)
        let queries = try Slab<NameQuery>(capacity: max(1, limits.nameQueries))
        let wheel = try TimerWheel(
            capacity: flows + mappingLimit + limits.pingMappings + limits.nameQueries + 8, now: now)
        let reassembler = try Reassembler(capacity: max(1, limits.fragments))
        self.configuration = configuration
        self.counters = counters
        self.pool = pool
        self.now = now
        space = pool.pointee.space
        plan = configuration.plan
        guestMAC = configuration.guestMAC
        guestIPv4 = configuration.guestIPv4
        policy = configuration.policy
        halfOpen = HalfOpenConnections(
            of: connections,
            limit: max(16, (limits.halfOpenConnects + configuration.shards - 1) / configuration.shards))
        mappingEvictions = EvictionOrder(
            of: mappings.base, offset: MemoryLayout<UDPMapping>.offset(of: \.links))
        timeouts = SilenceTimeouts(limits)
        pathMTUs = PathMTUCache(linkMTU: configuration.plan.mtu)
        refusalBucket = TokenBucket(capacity: 50, perSecond: 1_000, now: now)
        pingsByAge = AgeList(of: pings.base, offset: MemoryLayout<PingMapping>.offset(of: \.links))
        // What is parked can always be kept in small buffers alone; the other half of them is for what comes from the host.
        commitLimit = limits.smallBuffers * BufferSpace.smallSize / 2
        sequenceSalt = configuration.secret ^ 0x5851_F42D_4C95_7F2D
        arp = ARPResponder(plan: configuration.plan)
        neighbors = NeighborDiscovery(plan: configuration.plan)
        routers = RouterAdvertisement(plan: configuration.plan, now: now)
        dhcp = Self.addressServer(configuration, guest: configuration.guestIPv4)
        searchDomains = configuration.plan.searchDomains
        echo = ICMPEcho(plan: configuration.plan)
        resetBucket = TokenBucket(capacity: 1_000, perSecond: 10_000, now: now)
        errors = ICMPError(plan: configuration.plan, now: now)
        self.effects = effects
        self.table = table
        self.peers = peers
        self.connections = connections
        self.mappings = mappings
        self.pings = pings
        self.queries = queries
        self.wheel = wheel
        self.reassembler = reassembler
        identification = UInt32(truncatingIfNeeded: configuration.secret)
        if isServiceShard { scheduleServices() }
    }

    /// The shard that answers what belongs to no flow: ARP, NDP, DHCP, fragments.
    public var isServiceShard: Bool { configuration.shard == 0 }

    /// Sets the clock for what follows.
    public mutating func beginTurn(now: UInt64) { self.now = now }

    // MARK: Timer names

    var mappingTimers: UInt32 { UInt32(connections.capacity) }
    var pingTimers: UInt32 { mappingTimers + UInt32(mappings.capacity) }
    var queryTimers: UInt32 { pingTimers + UInt32(pings.capacity) }
    var serviceTimers: UInt32 { queryTimers + UInt32(queries.capacity) }

    /// When `runTimers` has work at the earliest, monotonic nanoseconds; `nil` when nothing is scheduled.
    public var nextDeadline: UInt64? { wheel.nextDeadline }

    /// Runs one timer whose time has come; false when there is none. Take the effects after each.
    public mutating func runTimers() -> Bool {
        guard let timer = wheel.popExpired(now: now) else { return false }
        if timer < mappingTimers {
            if let flow = connections.pointer(inSlot: timer) { runConnectionTimer(flow) }
        } else if timer < pingTimers {
            runMappingTimer(slot: timer - mappingTimers)
        } else if timer < queryTimers {
            runPingTimer(slot: timer - pingTimers)
        } else if timer < serviceTimers {
            runQueryTimer(slot: timer - queryTimers)
        } else {
            runServiceTimer()
        }
        return true
    }

    /// Connections that are looked at before the effects are taken: a quarter of the places for those.
    private static var finishedAtOnce: Int { effectPlaces / 4 }

    /// Sends acknowledgements that this turn's frames asked for, one per connection; false when none is left. Take the
    /// effects after each: there may be more connections than places for effects. Acknowledgements that find no buffer stay
    /// owed until the next turn: buffers come back in turns only.
    public mutating func finishTurn() -> Bool {
        var left = Self.finishedAtOnce
        while dirtyHead != .max {
            if left == 0 { return true }
            left &-= 1
            guard let flow = connections.pointer(inSlot: dirtyHead) else {
                preconditionFailure("a connection that is gone is on the list of dirty ones")
            }
            let isOwed = flow.pointee.marks.contains(.acknowledge)
            if isOwed && !hasBuffer {
                counters.add(.tcpAcknowledgementsDeferred)
                return false
            }
            dirtyHead = flow.pointee.dirtyNext
            flow.pointee.dirtyNext = .max
            flow.pointee.marks.remove(.dirty)
            if isOwed {
                if flow.pointee.marks.contains(.silent) { acknowledged(flow) } else { sendAcknowledgement(flow) }
            }
        }
        return false
    }

    // MARK: What every part uses

    /// Large buffers run short: what has to be kept is copied into small ones, so that frames from the guest, the
    /// acknowledgements among them, always find a large one.
    @inline(__always)
    var isPressed: Bool {
        mutating get { pool.pointee.largeAvailable < space.largeCount / 2 }
    }

    /// Whether `leaseForFrame` finds a buffer for a frame without payload.
    @inline(__always)
    private var hasBuffer: Bool { pool.pointee.smallAvailable > 0 || pool.pointee.largeAvailable > 0 }

    @inline(__always)
    mutating func release(_ lease: Lease) { pool.pointee.release(lease) }

    /// A buffer for a frame of our own making, or `none`, counted.
    mutating func leaseForFrame(octets: Int) -> Lease {
        let lease = pool.pointee.lease(fitting: octets)
        if lease.isNone { counters.add(.droppedNoBuffer) }
        return lease
    }

    /// Queues the write of a whole frame that lies in one buffer, virtio-net header first.
    @inline(__always)
    mutating func writeFrame(_ lease: Lease, offset: Int, length: Int) {
        effects.append(
            .frame(lease, offset: UInt32(truncatingIfNeeded: offset), length: UInt32(truncatingIfNeeded: length)))
    }

    /// A buffer in which a service writes an ethernet frame of up to `limit` octets; `sendAnswer` must follow.
    mutating func prepareAnswer(limit: Int = 1_600) -> (lease: Lease, room: UnsafeMutableRawBufferPointer)? {
        let header = VirtioNetHeader.length
        let lease = leaseForFrame(octets: limit + header)
        guard !lease.isNone else { return nil }
        let base = space.address(of: lease)
        VirtioNetFields().write(to: base)
        return (lease, UnsafeMutableRawBufferPointer(start: base + header, count: space.size(of: lease) - header))
    }

    /// Queues what a service wrote, or gives the buffer back when it wrote nothing.
    mutating func sendAnswer(_ lease: Lease, octets: Int, _ metric: Metric) {
        guard octets > 0 else { return release(lease) }
        counters.add(metric)
        writeFrame(lease, offset: 0, length: VirtioNetHeader.length + octets)
    }
}
