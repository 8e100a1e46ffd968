internal import RingwayStack

/// A piece of a list of flows: memory that the control plane brings and one shard fills.
final class FlowPage: @unchecked Sendable {
    // Sendable: the shard writes it before it replies, the control plane reads it after.
    /// Flows in a piece, and places that are looked at for them: some tens of microseconds of a shard's time.
    static var records: Int { 256 }
    static var visits: Int { 2_048 }

    let reply = ShardReply(count: 1)
    let memory: UnsafeMutableBufferPointer<FlowRecord>
    /// Where to go on from; the shard moves it on.
    var cursor: FlowCursor
    var count = 0

    init(from cursor: FlowCursor) {
        self.cursor = cursor
        memory = .allocate(capacity: Self.records)
    }

    deinit { memory.deallocate() }

    /// For the shard: fills the piece from the cursor on, and replies.
    func fill(_ stack: inout Stack, _ relays: inout Relays) {
        var writer = FlowRecordWriter(memory, visits: Self.visits)
        stack.writeFlows(from: &cursor, to: &writer)
        relays.write(from: &cursor, to: &writer)
        count = writer.count
        reply.send()
    }
}
