internal import RingwayStorage
internal import RingwayWire

/// TCP: every connection between the guest and the host, or a built-in service.
///
/// ## Theory of operation
///
/// A connection is a `TCPConnection` in a table that never moves it, found by its tuple in the flow table. Three kinds of
/// event reach it: segments of the guest's (`receive`), events of its host socket (`streamConnected`, `streamSent`,
/// `streamReceived`, …) and its timer. Each is handled at once, and what follows goes out as frames and effects; only
/// acknowledgements wait until the turn ends, so that one covers all segments of the turn.
///
/// *Opening.* A SYN of the guest's makes a connection in `connecting`, and the owner connects a socket; SYN-ACK follows
/// when that is connected, RST or an ICMP error when it failed. A client of a published port comes with its socket, and the
/// guest is sent SYN. At most `halfOpen.limit` of either kind wait at a time; the oldest gives way.
///
/// *Data.* See `TCPConnection`. The bytes that all windows promise are added up in `reservation`.
///
/// *Ending.* A connection is removed when both sides have finished and TIME-WAIT is over, or at once when either resets.
/// Its handle is stale from then on, so a late event of its socket finds nothing.
struct TCP: ~Copyable {
    var connections: Slab<TCPConnection>
    var halfOpen: HalfOpenConnections
    var reservation: WindowReservation
    /// The first of the connections to look at when the turn ends.
    var dirtyHead = SlotList.none
    /// Where the search for an idle connection goes on.
    var idleHand = IdleHand()
    /// Keys the initial sequence numbers.
    let sequenceSalt: UInt64
    /// RSTs that may be sent now for segments that belong to no connection.
    var resetBucket: TokenBucket

    init(_ configuration: StackConfiguration, capacity: Int, now: UInt64) throws(MemoryFailure) {
        let connections = try Slab<TCPConnection>(capacity: capacity)
        let limits = configuration.limits
        halfOpen = HalfOpenConnections(
            of: connections,
            limit: max(16, (limits.halfOpenConnects + configuration.shards - 1) / configuration.shards))
        reservation = WindowReservation(limit: limits.smallBuffers * BufferSpace.smallSize / 2)
        sequenceSalt = configuration.secret ^ 0x5851_F42D_4C95_7F2D
        resetBucket = TokenBucket(capacity: 1_000, perSecond: 10_000, now: now)
        self.connections = connections
    }

    // MARK: The end of a turn

    /// Connections that are looked at before the effects are taken: a quarter of the places for those.
    private static var finishedAtOnce: Int { StackCore.effectCapacity / 4 }

    /// Sends acknowledgements that this turn's frames asked for, one per connection; false when none is left. Take the
    /// effects after each: there may be more connections than places for effects. Acknowledgements that find no buffer stay
    /// owed until the next turn: buffers come back in turns only.
    mutating func finishTurn(_ core: inout StackCore) -> Bool {
        var left = Self.finishedAtOnce
        while dirtyHead != SlotList.none {
            if left == 0 { return true }
            left &-= 1
            guard let flow = connections.pointer(inSlot: dirtyHead) else {
                preconditionFailure("a connection that is gone is on the list of dirty ones")
            }
            let isOwed = flow.pointee.marks.contains(.acknowledge)
            if isOwed && !core.hasBuffer {
                core.counters.add(.tcpAcknowledgementsDeferred)
                return false
            }
            dirtyHead = flow.pointee.dirtyNext
            flow.pointee.dirtyNext = SlotList.none
            flow.pointee.marks.remove(.dirty)
            if isOwed {
                if flow.pointee.marks.contains(.silent) { acknowledged(flow) } else { sendAcknowledgement(flow, &core) }
            }
        }
        return false
    }

    /// Puts the connection on the list of those to acknowledge when the turn ends.
    @inline(__always)
    mutating func oweAcknowledgement(_ flow: TCPFlow) {
        flow.pointee.marks.insert(.acknowledge)
        guard !flow.pointee.marks.contains(.dirty) else { return }
        flow.pointee.marks.insert(.dirty)
        flow.pointee.dirtyNext = dirtyHead
        dirtyHead = connections.slot(of: flow)
    }

    /// Every segment with ACK pays the acknowledgement owed.
    @inline(__always)
    mutating func acknowledged(_ flow: TCPFlow) {
        flow.pointee.marks.subtract([.acknowledge, .deferred])
    }

    mutating func removeFromDirty(_ flow: TCPFlow, _ slot: UInt32) {
        if dirtyHead == slot {
            dirtyHead = flow.pointee.dirtyNext
            return
        }
        var at = dirtyHead
        while at != SlotList.none, let other = connections.pointer(inSlot: at) {
            if other.pointee.dirtyNext == slot {
                other.pointee.dirtyNext = flow.pointee.dirtyNext
                return
            }
            at = other.pointee.dirtyNext
        }
    }

    // MARK: Idle connections

    /// A connection that has a host socket and the longest silence of the guest's, of a sample.
    mutating func idlest() -> IdleFlow? {
        idleHand.idlest(of: connections) { $0.pointee.marks.contains(.socket) ? $0.pointee.deadlines.heardAt : nil }
            .map { IdleFlow(flow: Flow(.tcp, slot: $0.slot), usedAt: $0.usedAt) }
    }

    /// The connection with a host socket that has waited longest to be opened, of both directions.
    mutating func oldestHalfOpen() -> IdleFlow? {
        older(inSlot: halfOpen.ofHost.oldest, than: older(inSlot: halfOpen.ofGuest.oldest, than: nil))
    }

    private mutating func older(inSlot slot: UInt32, than found: IdleFlow?) -> IdleFlow? {
        guard let flow = connections.pointer(inSlot: slot), flow.pointee.marks.contains(.socket),
            flow.pointee.deadlines.heardAt < found?.usedAt ?? .max
        else { return found }
        return IdleFlow(flow: Flow(.tcp, slot: slot), usedAt: flow.pointee.deadlines.heardAt)
    }

    /// Ends a connection so that another flow can have its descriptor.
    mutating func end(slot: UInt32, _ core: inout StackCore) {
        guard let flow = connections.pointer(inSlot: slot) else { return }
        // A guest whose SYN had no answer repeats it, or gives up.
        abort(flow, towardGuest: flow.pointee.state != .connecting, towardHost: true, &core)
    }

    // MARK: Inspection

    /// Connections in any state.
    var count: Int { connections.count }
    /// Connections whose handshake has not ended.
    var halfOpenCount: Int { halfOpen.count }
    /// Bytes that all advertised windows promise to take, less those that the host has taken.
    var reservedBytes: Int { reservation.reserved }
    /// Slots below this may be occupied.
    var slotLimit: UInt32 { connections.highWater }
    /// The state of a connection, or `nil` when the handle is stale.
    func state(of handle: Handle) -> TCPState? { connections.pointer(to: handle)?.pointee.state }

    /// What is listed of the connection in a slot; `nil` when there is none.
    mutating func record(inSlot slot: UInt32, now: UInt64) -> FlowRecord? {
        guard let flow = connections.pointer(inSlot: slot) else { return nil }
        var record = FlowRecord(key: flow.pointee.key, kind: .tcp, hostAddress: flow.pointee.hostAddress)
        record.state = flow.pointee.state
        record.isOpenedByHost = flow.pointee.marks.contains(.openedByHost)
        record.bytesFromGuest = flow.pointee.bytesFromGuest
        record.bytesToGuest = flow.pointee.bytesToGuest
        record.idle = FlowRecord.idle(since: flow.pointee.deadlines.heardAt, now: now)
        return record
    }

    /// Every connection's tuple and state, for the report of a test that found one too many.
    var summaries: [String] {
        (0..<connections.highWater).compactMap { slot in
            guard let flow = connections.pointer(inSlot: slot) else { return nil }
            let key = flow.pointee.key
            let unsent = flow.pointee.receive.unsent.bytes
            return "\(key.guest):\(key.guestPort) \(key.remote):\(key.remotePort) \(flow.pointee.state) "
                + "flight \(flow.pointee.send.flight) window \(flow.pointee.send.window) unsent \(unsent) "
                + "marks \(String(flow.pointee.marks.rawValue, radix: 2))"
        }
    }
}
