internal import RingwayStorage
internal import RingwayWire

/// What the parts of a stack share: buffers, counters, clock, timers, the flow table, the queue of effects, and what the
/// owner chose. Every part takes it `inout`; none keeps it.
///
/// What runs for every frame is `mutating` even where it changes nothing: the compiler passes `self` of any other method
/// as a value, and would copy it whole.
struct StackCore: ~Copyable {
    let configuration: StackConfiguration
    let counters: Counters
    let pool: UnsafeMutablePointer<BufferPool>
    let space: BufferSpace
    let plan: NetworkPlan

    let effects: EffectQueue
    /// The clock reading of this turn, monotonic nanoseconds.
    var now: UInt64
    /// The guest's ethernet address, as its last frame had it.
    var guestMAC: MACAddress
    var policy: DestinationPolicy
    /// The flows of all parts by their keys.
    var table: FlowTable
    var timers: StackTimers
    /// Where mappings and pings have sent to.
    var peers: PeerTable
    var errors: ICMPError

    /// Effects that one event may cause.
    static var effectCapacity: Int { 4_096 }

    init(
        _ configuration: StackConfiguration, pool: UnsafeMutablePointer<BufferPool>, counters: Counters,
        capacities: StackCapacities, now: UInt64
    ) throws(MemoryFailure) {
        // What may fail comes before any stored property is set; the queue last, because nothing else frees it.
        let table = try FlowTable(capacity: capacities.flows, secret: configuration.secret)
        let timers = try StackTimers(capacities, now: now)
        let peers = try PeerTable(capacity: capacities.peers, owners: capacities.mappings + capacities.pings)
        let effects = try EffectQueue(capacity: Self.effectCapacity)
        self.configuration = configuration
        self.counters = counters
        self.pool = pool
        space = pool.pointee.space
        plan = configuration.plan
        self.effects = effects
        self.now = now
        guestMAC = configuration.guestMAC
        policy = configuration.policy
        self.table = table
        self.timers = timers
        self.peers = peers
        errors = ICMPError(plan: configuration.plan, now: now)
    }

    deinit { effects.deallocate() }

    /// Whether this is the shard that answers what belongs to no flow: ARP, NDP, DHCP, fragments.
    var isServiceShard: Bool { configuration.shard == 0 }

    // MARK: Buffers

    /// Whether large buffers run short.
    @inline(__always)
    var isPressed: Bool { mutating get { pool.pointee.isPressed } }

    /// Whether `leaseForFrame` finds a buffer for a frame without payload.
    @inline(__always)
    var hasBuffer: Bool { mutating get { pool.pointee.smallAvailable > 0 || pool.pointee.largeAvailable > 0 } }

    @inline(__always)
    mutating func release(_ lease: Lease) { pool.pointee.release(lease) }

    /// A buffer for a frame of our own making, or `none`, counted.
    @inline(__always)
    mutating func leaseForFrame(bytes: Int) -> Lease {
        let lease = pool.pointee.lease(fitting: bytes)
        if lease.isNone { counters.add(.droppedNoBuffer) }
        return lease
    }

    // MARK: Frames to the guest

    /// Queues the write of a whole frame that lies in one buffer, virtio-net header first. Takes the lease.
    @inline(__always)
    mutating func writeFrame(_ lease: Lease, offset: Int, length: Int) {
        effects.append(
            .frame(lease, offset: UInt32(truncatingIfNeeded: offset), length: UInt32(truncatingIfNeeded: length)))
    }

    /// A buffer in which a service writes an ethernet frame of up to `limit` bytes; `sendReply` must follow.
    mutating func prepareReply(limit: Int = 1_600) -> (lease: Lease, room: UnsafeMutableRawBufferPointer)? {
        let header = VirtioNetHeader.length
        let lease = leaseForFrame(bytes: limit + header)
        guard !lease.isNone else { return nil }
        let base = space.address(of: lease)
        VirtioNetFields().write(to: base)
        return (lease, UnsafeMutableRawBufferPointer(start: base + header, count: space.size(of: lease) - header))
    }

    /// Queues the frame that a service wrote, or releases the buffer when it wrote none.
    mutating func sendReply(_ lease: Lease, bytes: Int, _ metric: Metric) {
        guard bytes > 0 else { return release(lease) }
        counters.add(metric)
        writeFrame(lease, offset: 0, length: VirtioNetHeader.length + bytes)
    }

    // MARK: The guest

    /// Whether the frame comes from an address of this network; learns the guest's ethernet address.
    @inline(__always)
    mutating func accepts(_ summary: FrameSummary) -> Bool {
        guard plan.isGuest(summary.source) else {
            counters.add(.droppedSpoofedSource)
            return false
        }
        if summary.sourceMAC != guestMAC { guestMAC = summary.sourceMAC }
        return true
    }

    /// The guest has shown that it has an address.
    mutating func reportShown(_ address: IPAddress) {
        var effect = Effect(.guestShown)
        effect.address.address = address
        effects.append(effect)
    }
}
