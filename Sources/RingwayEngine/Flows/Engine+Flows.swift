public import RingwayStack

extension Engine {
    /// Timeout for a shard to fill one chunk of the list, in milliseconds.
    private static var listTimeout: Int32 { 1_000 }

    /// Appends the guest's flows to `list` until it has `limit` entries. Blocks while the shards write them.
    ///
    /// - Returns: false if flows are missing: `limit` was reached, a shard was too slow, or the guest was removed.
    public func flows(limit: Int, into list: inout [FlowRecord]) -> Bool {
        for shard in 0..<shards {
            var cursor = FlowCursor()
            while cursor.table != .end {
                let page = FlowPage(from: cursor)
                send(.list(page), to: shard)
                // A removed part replies at once, with an empty chunk. A timeout means that the shard is too slow.
                guard page.reply.wait(milliseconds: Self.listTimeout) else { return false }
                for record in page.memory.prefix(page.count) {
                    guard list.count < limit else { return false }
                    list.append(record)
                }
                guard page.count > 0 || page.hasMoved(from: cursor) else { return false }
                cursor = page.cursor
            }
        }
        return true
    }
}

extension FlowPage {
    /// Whether the shard has visited any slot. It has visited none if the guest was removed meanwhile.
    fileprivate func hasMoved(from start: FlowCursor) -> Bool {
        cursor.table != start.table || cursor.slot != start.slot
    }
}
