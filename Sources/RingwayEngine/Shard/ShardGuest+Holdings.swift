internal import RingwayStack

extension ShardGuest {
    /// What the guest has on this shard, but for what the shard counts of it.
    mutating func holdings() -> ShardHoldings {
        var holdings = ShardHoldings()
        holdings.connections = stack.connectionCount
        holdings.flows = stack.flowCount
        holdings.timers = stack.scheduledTimerCount
        holdings.reservedBytes = stack.reservedBytes
        holdings.streamSockets = tcp.count
        holdings.datagramSockets = udp.count
        holdings.pingSockets = ping.count
        holdings.relays = relays.count
        holdings.listeners = ports.count
        return holdings
    }
}
