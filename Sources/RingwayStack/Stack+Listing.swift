internal import RingwayStorage
internal import RingwayWire

/// The flows there are, written down a piece at a time, so that frames need not wait for a long list.
extension Stack {
    /// Writes flows from the cursor on until the piece is full or the tables of the stack are at their end.
    public mutating func writeFlows(from cursor: inout FlowCursor, to writer: inout FlowRecordWriter) {
        while cursor.table == .connections, !writer.isFull {
            guard cursor.slot < connections.highWater else { return nextTable(&cursor, &writer) }
            if let flow = connections.pointer(inSlot: cursor.slot) { writer.append(record(of: flow)) }
            cursor.slot += 1
            writer.visits -= 1
        }
        while cursor.table == .mappings, !writer.isFull {
            guard cursor.slot < mappings.highWater else { return nextTable(&cursor, &writer) }
            if let mapping = mappings.pointer(inSlot: cursor.slot) { writer.append(record(of: mapping.pointee)) }
            cursor.slot += 1
            writer.visits -= 1
        }
        while cursor.table == .pings, !writer.isFull {
            guard cursor.slot < pings.highWater else { return cursor.advance() }
            if let ping = pings.pointer(inSlot: cursor.slot) { writer.append(record(of: ping.pointee)) }
            cursor.slot += 1
            writer.visits -= 1
        }
    }

    private mutating func nextTable(_ cursor: inout FlowCursor, _ writer: inout FlowRecordWriter) {
        cursor.advance()
        writeFlows(from: &cursor, to: &writer)
    }

    private func record(of flow: UnsafeMutablePointer<TCPConnection>) -> FlowRecord {
        var record = FlowRecord(key: flow.pointee.key, kind: .tcp, hostAddress: flow.pointee.hostAddress)
        record.state = flow.pointee.state
        record.isOpenedByHost = flow.pointee.marks.contains(.openedByHost)
        record.octetsFromGuest = flow.pointee.octetsFromGuest
        record.octetsToGuest = flow.pointee.octetsToGuest
        record.idle = age(of: flow.pointee.heardAt)
        return record
    }

    private func record(of mapping: UDPMapping) -> FlowRecord {
        var record = FlowRecord(
            key: mapping.key, kind: mapping.isForwarded ? .forwardedUDP : .udp, hostAddress: mapping.peer)
        record.isOpenedByHost = !mapping.isOpenedByGuest
        record.idle = age(of: mapping.usedAt)
        return record
    }

    private func record(of ping: PingMapping) -> FlowRecord {
        var record = FlowRecord(
            key: ping.key, kind: .ping,
            hostAddress: TransportAddress(address: ping.key.remote, port: ping.key.remotePort))
        record.idle = age(of: ping.usedAt)
        return record
    }

    private func age(of instant: UInt64) -> UInt64 { now > instant ? now - instant : 0 }
}
