internal import RingwayModel
internal import RingwayStorage

/// The capacities of the stack's tables, from the configured limits.
struct StackCapacities {
    let connections: Int
    let mappings: Int
    let pings: Int
    let queries: Int
    let peers: Int

    init(_ limits: Limits, shards: Int) {
        func share(_ limit: Int) -> Int { (limit + shards - 1) / shards }
        connections = max(64, share(limits.flowsPerGuest))
        mappings = max(16, limits.udpMappings)
        pings = max(1, limits.pingMappings)
        queries = max(1, limits.nameQueries)
        peers = max(16, share(limits.udpPeers))
    }

    /// The most keys in the flow table.
    var flows: Int { connections + mappings + pings + peers }
}

/// The timers of a stack on one wheel. Each owner has one timer.
struct StackTimers: ~Copyable {
    /// The owner of a timer: a slot of one of the tables, or the services and the reassembler, which share one timer.
    enum Owner {
        case connection(UInt32)
        case mapping(UInt32)
        case ping(UInt32)
        case query(UInt32)
        case services
    }

    private var wheel: TimerWheel
    // Timers are numbered from zero, connections first. These are the first numbers of the other kinds.
    private let mappings: UInt32
    private let pings: UInt32
    private let queries: UInt32
    private let services: UInt32

    init(_ capacities: StackCapacities, now: UInt64) throws(MemoryFailure) {
        let mappings = UInt32(capacities.connections)
        let pings = mappings + UInt32(capacities.mappings)
        let queries = pings + UInt32(capacities.pings)
        let services = queries + UInt32(capacities.queries)
        let wheel = try TimerWheel(capacity: Int(services) + 1, now: now)
        self.wheel = wheel
        self.mappings = mappings
        self.pings = pings
        self.queries = queries
        self.services = services
    }

    /// Timers that are scheduled.
    var count: Int { wheel.count }

    /// The earliest deadline, monotonic nanoseconds; `nil` if no timer is set.
    var nextDeadline: UInt64? { wheel.nextDeadline }

    @inline(__always)
    private func number(_ owner: Owner) -> UInt32 {
        switch owner {
        case .connection(let slot): slot
        case .mapping(let slot): mappings + slot
        case .ping(let slot): pings + slot
        case .query(let slot): queries + slot
        case .services: services
        }
    }

    /// Sets the owner's timer to `deadline`, replacing an earlier setting.
    @inline(__always)
    mutating func schedule(_ owner: Owner, at deadline: UInt64) { wheel.schedule(number(owner), at: deadline) }

    /// Cancels the owner's timer, if set.
    @inline(__always)
    mutating func cancel(_ owner: Owner) { wheel.cancel(number(owner)) }

    /// Whether `popExpired` would find nothing.
    @inline(__always)
    func isQuiet(now: UInt64) -> Bool { wheel.isQuiet(now: now) }

    /// Removes and returns one expired timer; `nil` if there is none.
    mutating func popExpired(now: UInt64) -> Owner? {
        guard let number = wheel.popExpired(now: now) else { return nil }
        if number < mappings { return .connection(number) }
        if number < pings { return .mapping(number - mappings) }
        if number < queries { return .ping(number - pings) }
        return number < services ? .query(number - queries) : .services
    }
}
