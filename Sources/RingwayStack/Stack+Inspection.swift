public import RingwayStorage

/// How much a stack holds, for tests and simulations.
extension Stack {
    /// Bytes that all advertised windows promise to take, less those that the host has taken.
    public var reservedBytes: Int { tcp.reservedBytes }
    /// TCP connections in any state.
    public var connectionCount: Int { tcp.count }
    /// Connections whose handshake has not ended.
    public var halfOpenCount: Int { tcp.halfOpenCount }
    /// Keys in the flow table: TCP connections, UDP mappings and pings together.
    public var flowCount: Int { core.table.count }
    /// Timers that are scheduled, those of the services included.
    public var scheduledTimerCount: Int { core.timers.count }
    /// The state of a connection, or `nil` when the handle is stale.
    public func connectionState(_ handle: Handle) -> TCPState? { tcp.state(of: handle) }
    /// Every connection's tuple and state, for the report of a test that found one too many.
    public var connectionSummaries: [String] { tcp.summaries }
}
