internal import RingwayModel
internal import RingwayRelay
internal import RingwayStack
internal import RingwayStorage

/// The entries of spliced streams in lists of flows.
extension Relays {
    /// Writes streams from the cursor on, as many as the writer has room for.
    mutating func write(from cursor: inout FlowCursor, to writer: inout FlowRecordWriter, now: UInt64) {
        while cursor.table == .spliced, !writer.isFull {
            guard cursor.slot < streams.highWater else {
                cursor.advance()
                break
            }
            if let stream = streams.pointer(inSlot: cursor.slot) {
                writer.append(stream.pointee.record(now: now))
            }
            cursor.slot += 1
            writer.visits -= 1
        }
    }
}

extension SplicedStream {
    fileprivate func record(now: UInt64) -> FlowRecord {
        let key = FlowKey(
            guest: server.address, guestPort: server.port, remote: clientAddress.address,
            remotePort: clientAddress.port, transport: .tcp)
        var record = FlowRecord(key: key, kind: .tcp, hostAddress: clientAddress)
        record.isOpenedByHost = !isOpenedByGuest
        record.isSpliced = true
        record.route = route
        record.bytesToGuest = relay.toFar.bytes
        record.bytesFromGuest = relay.toNear.bytes
        record.idle = FlowRecord.idle(since: usedAt, now: now)
        switch phase {
        case .waiting, .connecting: record.state = .synSent
        case .moving where relay.toFar.hasEnded: record.state = .finWait1
        case .moving where relay.toNear.hasEnded: record.state = .closeWait
        case .moving: record.state = .established
        }
        return record
    }
}
