public import RingwayStorage
public import RingwayWire

/// What a test or a simulation may look at; the engine has need of little of it.
extension Stack {
    /// What DHCP gives to the guest.
    public var guestAddress: IPv4Address { guestIPv4 }
    /// Octets that all advertised windows promise to take, less what the host has taken.
    public var promisedOctets: Int { committed }
    /// TCP connections in any state.
    public var connectionCount: Int { connections.count }
    /// Connections whose handshake has not ended.
    public var halfOpenCount: Int { halfOpen.count }
    /// Keys in the flow table: TCP connections, UDP mappings and pings together.
    public var flowCount: Int { table.count }
    /// Timers that are scheduled, those of the services included.
    public var scheduledTimerCount: Int { wheel.count }
    /// The state of a connection, or `nil` when the handle is stale.
    public func connectionState(_ handle: Handle) -> TCPState? { connections.pointer(to: handle)?.pointee.state }

    /// Every connection's tuple and state, for the report of a test that found one too many.
    public var connectionSummaries: [String] {
        (0..<connections.highWater).compactMap { slot in
            guard let flow = connections.pointer(inSlot: slot) else { return nil }
            let key = flow.pointee.key
            let parked = flow.pointee.parked.octets
            return "\(key.guest):\(key.guestPort) \(key.remote):\(key.remotePort) \(flow.pointee.state) "
                + "flight \(flow.flight) window \(flow.pointee.sndWindow) parked \(parked) "
                + "marks \(String(flow.pointee.marks.rawValue, radix: 2))"
        }
    }
}
