internal import RingwayStorage
internal import RingwayWire

/// The receive side of a connection (RCV.* of RFC 9293 §3.3.1): in-order payload that the host has not accepted yet,
/// and the advertised window.
///
/// The window is a reservation: advertised bytes are reserved from the pool until the host has accepted them, so the
/// right edge never moves back, and in-order payload inside the window is never dropped.
struct ReceiveSide: BitwiseCopyable {
    /// The state of the stream's end.
    enum End: BitwiseCopyable {
        case open
        /// FIN has arrived with this sequence number, but data before it is missing.
        case pending(at: SequenceNumber)
        /// FIN and all data before it have arrived.
        case finished
    }

    /// The next expected byte.
    var nxt = SequenceNumber(0)
    /// The right edge of the advertised window.
    var edge = SequenceNumber(0)
    /// The guest's initial sequence number (IRS).
    private(set) var initial = SequenceNumber(0)
    /// The byte after the guest's urgent byte.
    var urgentEnd = SequenceNumber(0)
    var end = End.open
    /// The shift of the stack's window field (RFC 7323 §2); zero unless scaling is agreed.
    var scale: UInt8 = 0
    /// In-order payload that the host has not accepted.
    var unsent = LeaseQueue()
    var outOfOrder = OutOfOrderQueue()
    /// The most bytes of unsent payload and advertised window together. The bound doubles while the host keeps up.
    private(set) var limit = TCPBounds.initialReceiveLimit
    /// Bytes that the host has accepted since growth of `limit` was last considered.
    private var takenSinceGrowth: UInt32 = 0

    /// Bytes of the advertised window.
    @inline(__always) var offered: Int { Int(edge.distance(from: nxt)) }

    @inline(__always) var isFinished: Bool {
        if case .finished = end { true } else { false }
    }

    /// The guest's SYN has this sequence number. If the stack's own SYN has already advertised a window, that window
    /// counts from the byte after the guest's SYN, whose sequence number was unknown until now.
    mutating func begin(at sequence: SequenceNumber) {
        let window = offered
        initial = sequence
        nxt = sequence.advanced(by: 1)
        edge = nxt.advanced(by: window)
    }

    /// The acceptability test of RFC 9293 §3.10.7.4. In addition, an empty segment exactly at the right edge is
    /// acceptable, so that its acknowledgement is processed: a guest that has filled the window sends such segments.
    ///
    /// - Parameter extent: bytes of sequence space that the segment takes.
    @inline(__always)
    func isAcceptable(_ sequence: SequenceNumber, extent: Int) -> Bool {
        let window = UInt32(bitPattern: max(0, edge.distance(from: nxt)))
        if extent == 0 { return sequence.isInside(windowStartingAt: nxt, size: window &+ 1) }
        // A segment with data that meets a closed window may still carry an acknowledgement, so it is acceptable here.
        // Its data is cut off later.
        if window == 0 { return sequence == nxt }
        return sequence.isInside(windowStartingAt: nxt, size: window)
            || sequence.advanced(by: extent - 1).isInside(windowStartingAt: nxt, size: window)
            || (!nxt.precedes(sequence) && nxt.precedes(sequence.advanced(by: extent)))
    }

    // MARK: The window

    /// The window field of a SYN or SYN-ACK, which is never scaled.
    mutating func firstWindowField(_ reservation: inout WindowReservation, connections: Int) -> UInt16 {
        let most = max(
            UInt32(clamping: reservation.threshold(holding: offered)),
            reservation.leastWindow(connections: connections))
        let wanted = min(TCPBounds.initialReceiveLimit, most)
        let wantedEdge = nxt.advanced(by: Int(wanted))
        if edge.precedes(wantedEdge) { reserve(upTo: wantedEdge, in: &reservation) }
        return UInt16(clamping: UInt32(bitPattern: edge.distance(from: nxt)))
    }

    /// The window field of a segment without SYN. Moves the right edge of the window as far as the reservation allows.
    ///
    /// - Parameters:
    ///   - acknowledgement: the segment's acknowledgement number, from which the field counts.
    ///   - isOpen: the guest may still send.
    ///   - connections: the number of connections that share the reservation.
    @inline(__always)
    mutating func windowField(
        from acknowledgement: SequenceNumber, isOpen: Bool, _ reservation: inout WindowReservation, connections: Int
    ) -> UInt16 {
        let allowed = allowedEdge(isOpen: isOpen, reservation, connections: connections)
        let shift = UInt32(scale)
        var field = min(UInt32(bitPattern: allowed.distance(from: acknowledgement)) &>> shift, 65_535)
        var told = acknowledgement.advanced(by: Int(field &<< shift))
        // The field counts units of `1 << scale` bytes, and rounding down must not move the edge back. After an
        // unscaled SYN, for example, the edge need not lie on a unit. The field is therefore rounded up. But then
        // every segment smaller than a unit would move the edge forward, even if the host accepted nothing. So the
        // field is rounded down once window and unsent payload exceed `limit` by more than `edgeSlack`, as RFC 7323
        // §2.4 permits. Data up to the earlier edge is still accepted.
        let rest = UInt32(bitPattern: edge.distance(from: acknowledgement))
        if told.precedes(edge) && field < 65_535, Int(rest) &+ unsent.bytes <= Int(limit) &+ TCPBounds.edgeSlack {
            field = min((rest &+ (1 &<< shift) &- 1) &>> shift, 65_535)
            told = acknowledgement.advanced(by: Int(field &<< shift))
        }
        if edge.precedes(told) { reserve(upTo: told, in: &reservation) }
        return UInt16(truncatingIfNeeded: field)
    }

    @inline(__always)
    private mutating func reserve(upTo newEdge: SequenceNumber, in reservation: inout WindowReservation) {
        reservation.reserve(Int(newEdge.distance(from: edge)))
        edge = newEdge
    }

    /// The furthest right edge that the reservation allows; at least the advertised one.
    @inline(__always)
    private func allowedEdge(
        isOpen: Bool, _ reservation: borrowing WindowReservation, connections: Int
    ) -> SequenceNumber {
        guard isOpen else { return edge }
        let room = Int(limit) &- unsent.bytes
        let wanted = nxt.advanced(by: max(0, room))
        let growth = Int(wanted.distance(from: edge))
        if growth <= 0 { return edge }
        let threshold = reservation.threshold(holding: offered &+ unsent.bytes)
        if Int(limit) <= threshold { return wanted }
        let least = Int(reservation.leastWindow(connections: connections))
        let allowed = nxt.advanced(by: min(room, max(least, threshold &- unsent.bytes)))
        return allowed.precedes(edge) ? edge : allowed
    }

    /// The host accepted `bytes` bytes of unsent payload, which have already left the queue: releases their
    /// reservation, and doubles `limit` if the host keeps up.
    ///
    /// - Parameter largest: the maximum of `limit`.
    @inline(__always)
    mutating func hostTook(_ bytes: Int, _ reservation: inout WindowReservation, largest: Int) {
        reservation.release(bytes)
        takenSinceGrowth &+= UInt32(truncatingIfNeeded: bytes)
        guard takenSinceGrowth >= limit else { return }
        takenSinceGrowth = 0
        // A host that has left at most half of the limit in the queue keeps up, and could accept more at a time.
        if unsent.bytes <= Int(limit / 2) { limit = max(limit, min(limit * 2, UInt32(clamping: largest))) }
    }

    /// Whether the window was small and could now grow enough for a window update: silly window avoidance (RFC 9293
    /// §3.8.6.2.2).
    @inline(__always)
    func isWorthAnnouncing(segment: UInt16, _ reservation: borrowing WindowReservation, connections: Int) -> Bool {
        let told = offered
        guard told < Int(limit) / 2 else { return false }
        let gain = Int(allowedEdge(isOpen: true, reservation, connections: connections).distance(from: edge))
        let largest = largestWindow(reservation, connections: connections)
        return gain >= min(largest / 4, 2 * Int(segment)) || (told == 0 && gain > 0)
    }

    /// The largest window that the connection could have now: `limit`, or less if little is unreserved. A quarter of
    /// `limit` could then exceed every possible gain.
    @inline(__always)
    private func largestWindow(_ reservation: borrowing WindowReservation, connections: Int) -> Int {
        let threshold = reservation.threshold(holding: offered &+ unsent.bytes)
        if Int(limit) <= threshold { return Int(limit) }
        return min(Int(limit), max(threshold, Int(reservation.leastWindow(connections: connections))))
    }

    /// The guest's FIN is in order. FIN takes one byte of sequence space but no memory, so the reservation of that byte
    /// is released.
    mutating func finish(_ reservation: inout WindowReservation) {
        end = .finished
        nxt = nxt.advanced(by: 1)
        if edge.precedes(nxt) {
            reservation.reserve(1)
            edge = nxt
        }
        reservation.release(1)
    }

    /// Releases all reserved bytes and buffers of the connection.
    mutating func removeAll(_ reservation: inout WindowReservation, _ pool: UnsafeMutablePointer<BufferPool>) {
        reservation.release(max(0, offered) &+ unsent.bytes)
        edge = nxt
        pool.pointee.releaseAll(&unsent)
        outOfOrder.removeAll(pool)
    }

    // MARK: Unsent payload

    /// Appends in-order payload. Copies the payload if it is small, because it would pin a large buffer, or if large
    /// buffers are scarce. True if the lease itself is on the queue; otherwise the lease remains the caller's.
    @inline(__always)
    mutating func append(
        _ lease: Lease, _ pool: UnsafeMutablePointer<BufferPool>, _ space: BufferSpace
    ) -> Bool {
        let length = Int(space.state(of: lease).pointee.length)
        nxt = nxt.advanced(by: length)
        let tail = unsent.tail
        if length < TCPBounds.coalesceBelow, !tail.isNone, space.state(of: tail).pointee.holds == 1 {
            // No send in flight uses the last buffer, so bytes may be appended to it.
            let last = space.state(of: tail)
            let end = Int(last.pointee.offset) &+ Int(last.pointee.length)
            if end &+ length <= space.size(of: tail) {
                (space.address(of: tail) + end).copyMemory(from: space.payload(of: lease), byteCount: length)
                last.pointee.length &+= UInt32(length)
                unsent.bytes &+= length
                return false
            }
        }
        if !lease.isSmall, pool.pointee.isPressed, appendCopy(of: lease, pool, space) { return false }
        if length <= TCPBounds.copybreak, !lease.isSmall {
            let small = pool.pointee.lease(.small)
            if !small.isNone {
                space.address(of: small).copyMemory(from: space.payload(of: lease), byteCount: length)
                space.state(of: small).pointee.length = UInt32(length)
                unsent.append(small, in: space)
                return false
            }
        }
        unsent.append(lease, in: space)
        return true
    }

    /// Copies payload into small buffers, first into the free space of the queue's last buffer if that is a small one.
    /// If there are not enough small buffers, returns false and changes nothing.
    @inline(never)
    private mutating func appendCopy(
        of lease: Lease, _ pool: UnsafeMutablePointer<BufferPool>, _ space: BufferSpace
    ) -> Bool {
        let length = Int(space.state(of: lease).pointee.length)
        guard pool.pointee.smallAvailable > length / BufferSpace.smallSize + 1 else { return false }
        let payload = space.payload(of: lease)
        var copied = 0
        let tail = unsent.tail
        if !tail.isNone, tail.isSmall, space.state(of: tail).pointee.holds == 1 {
            let last = space.state(of: tail)
            let end = Int(last.pointee.offset) &+ Int(last.pointee.length)
            copied = min(length, BufferSpace.smallSize &- end)
            (space.address(of: tail) + end).copyMemory(from: payload, byteCount: copied)
            last.pointee.length &+= UInt32(copied)
            unsent.bytes &+= copied
        }
        while copied < length {
            let small = pool.pointee.lease(.small)
            let piece = min(length &- copied, BufferSpace.smallSize)
            space.address(of: small).copyMemory(from: payload + copied, byteCount: piece)
            space.state(of: small).pointee.length = UInt32(piece)
            unsent.append(small, in: space)
            copied &+= piece
        }
        return true
    }

    /// Removes up to `bytes` bytes from the front of the queue. If the queue has fewer, returns how many are missing.
    @inline(__always)
    mutating func removeUnsent(_ bytes: Int, _ pool: UnsafeMutablePointer<BufferPool>, _ space: BufferSpace) -> Int {
        var rest = bytes
        while rest > 0, !unsent.isEmpty {
            let first = unsent.head
            let state = space.state(of: first)
            let length = Int(state.pointee.length)
            guard rest < length else {
                rest -= length
                _ = unsent.popFirst(in: space)
                pool.pointee.release(first)
                continue
            }
            state.pointee.offset += UInt32(rest)
            state.pointee.length -= UInt32(rest)
            unsent.bytes -= rest
            rest = 0
        }
        return rest
    }
}
