/// The resources that a shard or a guest uses. A simulation checks that an ended guest or idle shard has released them.
public struct ShardHoldings: Equatable, Sendable {
    /// Leased buffers: for a guest, those charged to it; for a shard, all.
    public var leases = 0
    /// Leased buffers that wait for data in buffer rings, which are expected in an idle shard; only for shards.
    public var expectedLeases = 0
    /// `messages` counts the `sendmsg` operations in flight. `operations`, only for a guest, counts those of any kind.
    public var messages = 0
    public var operations = 0
    /// Counts of the guest's stack.
    public var connections = 0
    public var flows = 0
    public var timers = 0
    public var reservedBytes = 0
    /// Sockets on the host, spliced connections, and listeners of published ports.
    public var streamSockets = 0
    public var datagramSockets = 0
    public var pingSockets = 0
    public var relays = 0
    public var listeners = 0

    public init() {}
}
