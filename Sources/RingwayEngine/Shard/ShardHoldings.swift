/// What a shard holds: all of it is to be gone, or back where it belongs, once nothing is going on. For simulations.
public struct ShardHoldings: Equatable, Sendable {
    /// Buffers that are leased: of a guest, those that are charged to it; of a shard, all.
    public var leases = 0
    /// Of a shard, those that wait in buffer rings, which are no guest's.
    public var expectedLeases = 0
    /// Messages and operations in the kernel's hands.
    public var messages = 0
    public var operations = 0
    /// What the stack has.
    public var connections = 0
    public var flows = 0
    public var timers = 0
    public var reservedBytes = 0
    /// Sockets of flows.
    public var streamSockets = 0
    public var datagramSockets = 0
    public var pingSockets = 0
    public var relays = 0
    public var listeners = 0

    public init() {}
}
