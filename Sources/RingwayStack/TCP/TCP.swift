internal import RingwayModel
internal import RingwayStorage

/// TCP: every connection between the guest and a host socket or the built-in DNS service.
///
/// ## Theory of operation
///
/// A connection is a `TCPConnection` in a table that never moves it, found by its tuple in the flow table. Three
/// kinds of events concern it: segments from the guest (`receive`), events of its host socket (`streamConnected`,
/// `streamSent`, `streamReceived`, …) and its timer. Each event is handled at once, and results in frames and
/// effects. Only acknowledgements wait until the end of the turn, so that one covers all segments of the turn.
///
/// *Opening.* A SYN from the guest creates a connection in `connecting`, and the shard connects a socket. SYN-ACK
/// follows when the socket is connected, RST or an ICMP error if the connect failed. A client of a published port has
/// a socket already, and SYN is sent to the guest. At most `halfOpen.limit` connections of each kind are half-open;
/// a further one ends the oldest of its kind.
///
/// *Data.* See `TCPConnection`. `reservation` limits the sum of the advertised windows.
///
/// *Ending.* A connection is removed when both sides have finished and TIME-WAIT is over, or at once if either resets.
/// Its handle is stale from then on, so a late event of its socket has no effect.
struct TCP: ~Copyable {
    var connections: Slab<TCPConnection>
    var halfOpen: HalfOpenConnections
    var reservation: WindowReservation
    /// The head of the list of connections for which an acknowledgement may be due at the end of the turn.
    var dirtyHead = SlotList.none
    /// Where the next search for an idle connection starts.
    var idleHand = IdleHand()
    /// Of the guest (`StackConfiguration.secret`), for initial sequence numbers and timestamp offsets.
    let secret: UInt64
    /// Limits the rate of RSTs for segments that belong to no connection.
    var resetBucket: TokenBucket

    init(_ configuration: StackConfiguration, capacity: Int, now: UInt64) throws(MemoryFailure) {
        let connections = try Slab<TCPConnection>(capacity: capacity)
        let limits = configuration.limits
        halfOpen = HalfOpenConnections(
            of: connections,
            limit: max(16, (limits.halfOpenConnects + configuration.shards - 1) / configuration.shards))
        reservation = WindowReservation(limit: Self.reservable(limits))
        secret = configuration.secret
        resetBucket = TokenBucket(capacity: 1_000, perSecond: 10_000, now: now)
        self.connections = connections
    }

    // MARK: Sharing a pool, and removing the guest

    private static func reservable(_ limits: Limits) -> Int { limits.smallBuffers * BufferSpace.smallSize / 2 }

    /// Sets the number of guests that share the shard's pool.
    mutating func setShare(of guests: Int, _ limits: Limits) {
        reservation.limit = Self.reservable(limits) / max(1, guests)
    }

    /// Removes the connections in the next `count` slots from `cursor` on and releases their buffers; the shard
    /// closes their sockets. False if no slot is left.
    mutating func forget(_ count: Int, from cursor: inout UInt32, _ core: inout StackCore) -> Bool {
        let end = min(connections.highWater, cursor &+ UInt32(count))
        while cursor < end {
            if let flow = connections.pointer(inSlot: cursor) {
                flow.pointee.marks.remove(.socket)
                removeConnection(flow, &core)
            }
            cursor &+= 1
        }
        return cursor < connections.highWater
    }

    // MARK: The end of a turn

    /// The most connections that one call of `finishTurn` processes. Each adds at most one effect, and the effect
    /// queue is drained only between calls.
    private static var finishedAtOnce: Int { StackCore.effectCapacity / 4 }

    /// Sends the acknowledgements that are due, one per connection. True if connections are left that this call did
    /// not process: drain the effects, then call again. If no buffer is free, the remaining acknowledgements stay due
    /// until the next turn, because no buffer is released before then.
    @inline(__always)
    mutating func finishTurn(_ core: inout StackCore) -> Bool {
        var left = Self.finishedAtOnce
        while dirtyHead != SlotList.none {
            if left == 0 { return true }
            left &-= 1
            guard let flow = connections.pointer(inSlot: dirtyHead) else {
                preconditionFailure("a closed connection is on the list of dirty ones")
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

    /// Marks an acknowledgement as due and puts the connection on the dirty list.
    @inline(__always)
    mutating func oweAcknowledgement(_ flow: TCPFlow) {
        flow.pointee.marks.insert(.acknowledge)
        guard !flow.pointee.marks.contains(.dirty) else { return }
        flow.pointee.marks.insert(.dirty)
        flow.pointee.dirtyNext = dirtyHead
        dirtyHead = connections.slot(of: flow)
    }

    /// Clears the acknowledgement that was due: every segment with ACK serves as one.
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

    /// Of a sample of the connections with a host socket, the one on which the guest has sent no segment for longest.
    mutating func idlest() -> IdleFlow? {
        idleHand.idlest(of: connections) {
            $0.pointee.marks.contains(.socket) ? $0.pointee.deadlines.lastSegmentAt : nil
        }
        .map { IdleFlow(flow: Flow(.tcp, slot: $0.slot), usedAt: $0.usedAt) }
    }

    /// The oldest half-open connection, opened by either side, that has a host socket.
    mutating func oldestHalfOpen() -> IdleFlow? {
        older(inSlot: halfOpen.ofHost.oldest, than: older(inSlot: halfOpen.ofGuest.oldest, than: nil))
    }

    private mutating func older(inSlot slot: UInt32, than found: IdleFlow?) -> IdleFlow? {
        guard let flow = connections.pointer(inSlot: slot), flow.pointee.marks.contains(.socket),
            flow.pointee.deadlines.lastSegmentAt < found?.usedAt ?? .max
        else { return found }
        return IdleFlow(flow: Flow(.tcp, slot: slot), usedAt: flow.pointee.deadlines.lastSegmentAt)
    }

    /// Ends a connection to free its descriptor for another flow.
    mutating func end(slot: UInt32, _ core: inout StackCore) {
        guard let flow = connections.pointer(inSlot: slot) else { return }
        // No RST in `connecting`: a guest whose SYN has no reply repeats the SYN, or times out.
        abort(flow, towardGuest: flow.pointee.state != .connecting, towardHost: true, &core)
    }

    // MARK: Inspection

    /// Connections in any state.
    var count: Int { connections.count }
    /// Connections in the three-way handshake.
    var halfOpenCount: Int { halfOpen.count }
    /// Bytes reserved for advertised receive windows, and for received data that the host has not accepted yet.
    var reservedBytes: Int { reservation.reserved }
    /// Slots below this number may be occupied.
    var slotLimit: UInt32 { connections.highWater }
    /// The state of a connection, or `nil` if the handle is stale.
    func state(of handle: Handle) -> TCPState? { connections.pointer(to: handle)?.pointee.state }

    /// The record of the connection in a slot; `nil` if the slot is free.
    mutating func record(inSlot slot: UInt32, now: UInt64) -> FlowRecord? {
        guard let flow = connections.pointer(inSlot: slot) else { return nil }
        var record = FlowRecord(key: flow.pointee.key, kind: .tcp, hostAddress: flow.pointee.hostAddress)
        record.state = flow.pointee.state
        record.isOpenedByHost = flow.pointee.marks.contains(.openedByHost)
        record.bytesFromGuest = flow.pointee.bytesFromGuest
        record.bytesToGuest = flow.pointee.bytesToGuest
        record.idle = FlowRecord.idle(since: flow.pointee.deadlines.lastSegmentAt, now: now)
        return record
    }

    /// Every connection's tuple and state, for test reports.
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
