internal import RingwayReactor
internal import RingwayStorage
internal import RingwayWire

/// What one shard hands to another: always the sole ownership of something.
struct ShardMessage: BitwiseCopyable, Sendable {
    enum Kind: UInt8, BitwiseCopyable {
        /// A frame whose flow belongs to the receiver, parsed.
        case frame
        /// A chain of leases that come home.
        case leases
        /// A client of a published port whose connection belongs to the receiver.
        case accepted
    }

    var kind: Kind
    var lease = Lease.none
    var length: UInt32 = 0
    var descriptor: Int32 = -1
    var summary = FrameSummary()
    var client = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)
    var guest = TransportAddress(address: IPAddress(high: 0, low: 0), port: 0)

    init(_ kind: Kind) { self.kind = kind }
}

/// The mailboxes of all pairs of shards, and how to wake each shard.
struct ShardNetwork: Sendable {
    let doorbells: [Doorbell]
    /// `mailboxes[to * count + from]`.
    let mailboxes: [Mailbox<ShardMessage>]
    let count: Int

    /// - Parameter buffers: large buffers of a shard. Each message but a few carries one, so a mailbox that holds twice as
    ///   many cannot be full of frames.
    init(count: Int, buffers: Int) {
        self.count = count
        var depth: UInt32 = 1_024
        while Int(depth) < 2 * buffers { depth *= 2 }
        doorbells = (0..<count).map { _ in Doorbell() }
        mailboxes = (0..<count * count).map { [depth] _ in Mailbox(capacity: depth) }
    }
}
