import RingwayModel
import RingwayStack
import RingwayStorage

/// Complete shards except for the kernel, with all flows established before the first frame.
public final class PumpedShards: @unchecked Sendable {
    // Sendable: each shard is accessed only by the thread that pumps it, after the setup of all.

    static let secret: UInt64 = 42

    public let count: Int
    private let space: BufferSpace
    private let shards: UnsafeMutablePointer<PumpedShard>
    private let mailboxes: UnsafeMutablePointer<Mailbox<HandedFrame>>

    /// - Parameters:
    ///   - flows: connections of each shard whose frames arrive there.
    ///   - foreign: connections whose frames arrive at each shard and belong to the next one.
    ///   - isStamped: whether the guest's segments have timestamps.
    public init(count: Int, flows: Int = 1, foreign: Int = 0, isStamped: Bool = false) {
        guard let block = CIDRBlock("192.168.127.0/24"),
            let plan = NetworkPlan(
                ipv4: block, ipv6Prefix: IPv6Address(high: 0xFD00_0000_0000_0001, low: 0), mtu: 1_500)
        else { preconditionFailure("constants are addresses") }
        var limits = Limits()
        limits.flowsPerGuest = 2_048
        self.count = count
        space = MemoryFailure.trap {
            try BufferSpace(shards: count, largeCount: limits.largeBuffers, smallCount: limits.smallBuffers)
        }
        shards = MemoryFailure.trap { try .allocateApart(capacity: count) }
        mailboxes = .allocate(capacity: count * count)
        for number in 0..<count * count {
            (mailboxes + number).initialize(to: MemoryFailure.trap { try Mailbox(capacity: 4_096) })
        }
        for index in 0..<count {
            let pool = MemoryFailure.trap { try UnsafeMutablePointer<BufferPool>.allocateApart(capacity: 1) }
            pool.initialize(to: MemoryFailure.trap { try BufferPool(space: space, shard: index) })
            let configuration = Stack.Configuration(
                plan: plan, limits: limits, policy: DestinationPolicy(), guestMAC: GuestFrame.guestMAC,
                guestIPv4: GuestFrame.guest, guestIPv6: plan.firstGuestIPv6, shard: index, shards: count,
                secret: Self.secret)
            (shards + index).initialize(
                to:
                    PumpedShard(configuration, pool: pool, mailboxes: mailboxes, isStamped: isStamped))
        }
        for index in 0..<count {
            for _ in 0..<flows { _ = shards[index].connect() }
        }
        for index in 0..<count {
            for number in 0..<foreign {
                let flow = shards[(index + 1) % count].connect()
                (shards[index].foreignFlows + number).initialize(to: flow)
            }
            shards[index].foreignCount = foreign
        }
    }

    deinit {
        shards.deinitialize(count: count)
        shards.deallocate()
        for number in 0..<count * count { mailboxes[number].deallocate() }
        mailboxes.deallocate()
        space.deallocate()
    }

    public subscript(index: Int) -> UnsafeMutablePointer<PumpedShard> { shards + index }
}
