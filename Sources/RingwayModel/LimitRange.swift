extension Limits {
    /// The values that the option for a limit accepts.
    public static func range(of flag: String) -> ClosedRange<Int> {
        switch flag {
        case "--max-flows": 64...4_194_304
        case "--max-half-open", "--max-udp-mappings", "--max-udp-peers": 16...1_000_000
        case "--max-ping-mappings", "--max-fragments", "--max-guests": 1...65_536
        case "--max-addresses": 1...4_096
        case "--max-agent-ports": 1...10_000
        // A link has at most 64 queues.
        case "--max-queues": 1...64
        // The smallest pool has 128 large and 4096 small buffers.
        case "--pool-size": 16 << 20...1 << 40
        // At least the longest super-frame (64 KiB) that a guest's kernel sends.
        case "--park-size", "--reorder-size": 64 << 10...1 << 30
        default: 1...1_000_000
        }
    }
}
