internal import RingwayStack

/// A chunk of a list of flows: memory that the control plane allocates and one shard fills.
final class FlowPage: @unchecked Sendable {
    // Sendable: the shard writes the chunk before it replies, and the control plane reads the chunk after the reply.
    /// The most flows in a chunk, and the most slots that the shard visits to fill it. Visiting that many takes some
    /// tens of microseconds.
    static var records: Int { 256 }
    static var visits: Int { 2_048 }

    let reply = ShardReply(count: 1)
    let memory: UnsafeMutableBufferPointer<FlowRecord>
    /// The position to continue from, advanced by the shard.
    var cursor: FlowCursor
    var count = 0

    init(from cursor: FlowCursor) {
        self.cursor = cursor
        memory = .allocate(capacity: Self.records)
    }

    deinit { memory.deallocate() }

    /// Fills the chunk from the cursor on, and replies. Called on the shard's thread.
    func fill(_ stack: inout Stack, _ relays: inout Relays, now: UInt64) {
        var writer = FlowRecordWriter(memory, visits: Self.visits)
        stack.writeFlows(from: &cursor, to: &writer)
        relays.write(from: &cursor, to: &writer, now: now)
        count = writer.count
        reply.send()
    }
}
