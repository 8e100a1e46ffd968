import CRingway
import RingwayLinks
import RingwayReactor
import RingwayRing
import RingwayStack
import RingwayStorage
import RingwayWire

@testable import RingwayEngine

/// What a shard lends to one component: a core with a real ring, and a stack. There is no shard, and nothing is routed.
final class ComponentBench {
    let shared: EngineShared
    let counters = Counters()
    let framing: Link.Framing
    private let space: BufferSpace
    private let pool: UnsafeMutablePointer<BufferPool>
    var core: ShardCore
    var stack: Stack
    /// Given to the ring before the core has it, as a shard does.
    private var queue: Queue?

    /// - Parameter link: a queue of a link, where the component is one.
    init(
        _ backEnd: BackEnd, link: Int32 = -1, _ framing: Link.Framing = .device, nameService: (any NameService)? = nil
    ) throws {
        let configuration = try Self.configuration()
        shared = EngineShared(
            configuration: configuration, features: backEnd.features, network: try ShardNetwork(count: 1, buffers: 256),
            inbox: -1, nameService: nameService, handler: { _ in })
        self.framing = framing
        space = try BufferSpace(shards: 1, largeCount: 256, smallCount: 256)
        pool = .allocate(capacity: 1)
        pool.initialize(to: try BufferPool(space: space, shard: 0))
        var ring = try Ring(entries: 64, completions: 256, features: backEnd.features)
        if link >= 0 {
            queue = try Queue(
                link, &ring, framing, buffers: 8, group: ShardCore.linkGroup,
                isMultishot: backEnd.features.hasMultishotRead)
        }
        core = try ShardCore(index: 0, shared: shared, ring: ring, pool: pool, counters: counters)
        try core.reactor.ring.enable()
        core.refill(isPaused: false)
        stack = try Stack(configuration.stack, pool: pool, counters: counters, now: Reactor.clock())
    }

    private static func configuration() throws -> EngineConfiguration {
        guard let block = CIDRBlock("192.168.127.0/24"),
            let plan = NetworkPlan(
                ipv4: block, ipv6Prefix: IPv6Address(high: 0xFD00_0000_0000_0001, low: 0), mtu: 1_500)
        else { preconditionFailure("constants are addresses") }
        var limits = Limits()
        limits.flowsPerGuest = 256
        limits.poolBytesPerShard = 16 << 20
        return EngineConfiguration(
            stack: Stack.Configuration(
                plan: plan, limits: limits, policy: DestinationPolicy(), guestMAC: GuestPort.guestMAC,
                guestIPv4: GuestPort.guest, guestIPv6: plan.firstGuestIPv6, shard: 0, shards: 1, secret: 42))
    }

    /// The link's port, once.
    func takeLink() throws -> LinkPort {
        guard let queue = self.queue.take() else { preconditionFailure("the bench was made without a link") }
        return try LinkPort(queue, framing, shared: shared, pool: pool, counters: counters)
    }

    /// The next completion, waited for up to two seconds.
    func completion() -> Completion? {
        let end = ringway_monotonic_nanoseconds() + 2_000_000_000
        while ringway_monotonic_nanoseconds() < end {
            if let completion = core.reactor.ring.nextCompletion() { return completion }
            guard core.reactor.ring.submitAndWait(nanoseconds: 50_000_000) == 0 else { return nil }
        }
        return nil
    }

    /// A buffer that holds `bytes` from `offset` on.
    func lease(_ bytes: [UInt8], at offset: Int = 0) -> Lease {
        let lease = pool.pointee.lease(.large)
        precondition(!lease.isNone)
        let place = space.address(of: lease) + offset
        bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { place.copyMemory(from: base, byteCount: source.count) }
        }
        return lease
    }

    func bytes(_ lease: Lease, from offset: Int = 0, _ count: Int) -> [UInt8] {
        [UInt8](UnsafeRawBufferPointer(start: space.address(of: lease) + offset, count: count))
    }

    func release(_ lease: Lease) { pool.pointee.release(lease) }

    /// Buffers that are leased, but for those that the kernel may fill.
    var leased: Int { pool.pointee.leased - core.receiveBuffers.available }
}
