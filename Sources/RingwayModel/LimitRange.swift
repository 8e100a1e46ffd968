extension Limits {
    /// The values that a bound may have: beneath them it would not hold, because the network needs so much to work at all;
    /// beyond them no machine could keep what it promises.
    public static func range(of flag: String) -> ClosedRange<Int> {
        switch flag {
        case "--max-flows": 64...4_194_304
        case "--max-half-open", "--max-udp-mappings", "--max-udp-peers": 16...1_000_000
        case "--max-ping-mappings", "--max-fragments", "--max-guests": 1...65_536
        case "--max-addresses": 1...4_096
        case "--max-agent-ports": 1...10_000
        // More than a link can have are of no use.
        case "--max-queues": 1...64
        // Enough buffers for a kernel's queues, of both sizes.
        case "--pool-size": 16 << 20...1 << 40
        // The largest segment that a guest's kernel hands over.
        case "--park-size", "--reorder-size": 64 << 10...1 << 30
        default: 1...1_000_000
        }
    }
}
