internal import RingwayHost
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// Flows written down for the control plane.
extension Shard {
    /// Fills a piece of the list.
    mutating func list(_ page: FlowPage) {
        var cursor = page.cursor
        var writer = FlowRecordWriter(page.memory, visits: FlowPage.visits)
        stack.writeFlows(from: &cursor, to: &writer)
        while cursor.table == .spliced, !writer.isFull {
            guard cursor.slot < spliced.highWater else {
                cursor.advance()
                break
            }
            if let stream = spliced.pointer(inSlot: cursor.slot) { writer.append(Self.record(of: stream)) }
            cursor.slot += 1
            writer.visits -= 1
        }
        page.count = writer.count
        page.cursor = cursor
        page.reply.send()
    }

    private static func record(of stream: UnsafeMutablePointer<SplicedStream>) -> FlowRecord {
        let (client, server) = (stream.pointee.clientAddress, stream.pointee.server)
        let key = FlowKey(
            guest: server.address, guestPort: server.port, remote: client.address, remotePort: client.port,
            transport: .tcp)
        var record = FlowRecord(key: key, kind: .tcp, hostAddress: client)
        record.isOpenedByHost = !stream.pointee.isOpenedByGuest
        record.isSpliced = true
        record.route = stream.pointee.route
        record.octetsToGuest = stream.pointee.toGuest.bytes
        record.octetsFromGuest = stream.pointee.fromGuest.bytes
        switch stream.pointee.phase {
        case .waiting, .connecting: record.state = .synSent
        case .moving where stream.pointee.toGuest.hasEnded: record.state = .finWait1
        case .moving where stream.pointee.fromGuest.hasEnded: record.state = .closeWait
        case .moving: record.state = .established
        }
        return record
    }
}
