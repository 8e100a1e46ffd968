internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// The state that the parts of a stack share, such as buffers, counters, clock, timers, flow table, effect queue and
/// configuration. It is passed `inout`; no part stores it.
///
/// Methods on the frame path are `mutating` even if they change nothing: the compiler passes `self` to a non-mutating
/// method by value, which would copy the whole struct.
struct StackCore: ~Copyable {
    let configuration: StackConfiguration
    let counters: Counters
    let pool: UnsafeMutablePointer<BufferPool>
    let space: BufferSpace
    let plan: NetworkPlan

    let effects: EffectQueue
    /// The clock reading of this turn, monotonic nanoseconds.
    var now: UInt64
    /// The guest's ethernet address: as configured, then as learned from its frames.
    var guestMAC: MACAddress
    var policy: DestinationPolicy
    /// All flows, and the peers in `peers`, by key.
    var table: FlowTable
    var timers: StackTimers
    /// The peers of UDP mappings and pings that have several.
    var peers: PeerTable
    var errors: ICMPError

    /// The most effects of one event.
    static var effectCapacity: Int { 4_096 }

    init(
        _ configuration: StackConfiguration, pool: UnsafeMutablePointer<BufferPool>, counters: Counters,
        capacities: StackCapacities, now: UInt64
    ) throws(MemoryFailure) {
        // Allocations that may fail come before any stored property is set, so that a failure leaves nothing to undo.
        // The effect queue is the last of them: it has no `deinit` that would free it if a later allocation failed.
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

    /// Whether this shard handles frames that belong to no flow, such as ARP, NDP, DHCP and fragments.
    var isServiceShard: Bool { configuration.shard == 0 }

    // MARK: Buffers

    /// Whether large buffers are scarce and the guest holds at least half of its share of them. Payload that must be
    /// stored is then copied into small buffers if possible (`BufferPool.isPressed`).
    @inline(__always)
    var isPressed: Bool { mutating get { pool.pointee.isPressed } }

    /// Whether `leaseForFrame` has a buffer for a frame without payload.
    @inline(__always)
    var hasBuffer: Bool { mutating get { pool.pointee.smallAvailable > 0 || pool.pointee.largeAvailable > 0 } }

    @inline(__always)
    mutating func release(_ lease: Lease) { pool.pointee.release(lease) }

    /// A buffer for a frame that the stack itself writes. `none` if the pool is empty, which is counted.
    @inline(__always)
    mutating func leaseForFrame(bytes: Int) -> Lease {
        let lease = pool.pointee.lease(fitting: bytes)
        if lease.isNone { counters.add(.droppedNoBuffer) }
        return lease
    }

    // MARK: Frames to the guest

    /// Queues a frame in one buffer, virtio-net header first. Takes ownership of the lease.
    @inline(__always)
    mutating func writeFrame(_ lease: Lease, offset: Int, length: Int) {
        effects.append(
            .frame(lease, offset: UInt32(truncatingIfNeeded: offset), length: UInt32(truncatingIfNeeded: length)))
    }

    /// A buffer for an ethernet frame of up to `limit` bytes that a service writes; `nil` if the pool is empty. The
    /// caller passes the buffer to `sendReply` or releases it.
    mutating func prepareReply(limit: Int = 1_600) -> (lease: Lease, room: UnsafeMutableRawBufferPointer)? {
        let header = VirtioNetHeader.length
        let lease = leaseForFrame(bytes: limit + header)
        guard !lease.isNone else { return nil }
        let base = space.address(of: lease)
        VirtioNetFields().write(to: base)
        return (lease, UnsafeMutableRawBufferPointer(start: base + header, count: space.size(of: lease) - header))
    }

    /// Queues the frame that a service wrote, or releases the buffer if it wrote none.
    mutating func sendReply(_ lease: Lease, bytes: Int, _ metric: Metric) {
        guard bytes > 0 else { return release(lease) }
        counters.add(metric)
        writeFrame(lease, offset: 0, length: VirtioNetHeader.length + bytes)
    }

    // MARK: The guest

    /// Whether the frame's source is an address that a guest may have. If so, records the frame's ethernet source as
    /// the guest's ethernet address.
    @inline(__always)
    mutating func accepts(_ summary: FrameSummary) -> Bool {
        guard plan.isGuest(summary.source) else {
            counters.add(.droppedSpoofedSource)
            return false
        }
        if summary.sourceMAC != guestMAC { guestMAC = summary.sourceMAC }
        return true
    }

    /// Reports to the shard that a packet from the guest has proved that the guest has `address`.
    mutating func reportShown(_ address: IPAddress) {
        var effect = Effect(.guestShown)
        effect.address.address = address
        effects.append(effect)
    }
}
