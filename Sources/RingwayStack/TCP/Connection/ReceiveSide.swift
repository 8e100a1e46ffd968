internal import RingwayStorage
internal import RingwayWire

/// One connection from the guest: what came in order and waits for the host, and the window that the guest was offered
/// (RCV.* of RFC 9293 §3.3.1).
///
/// The window is a reservation: advertised bytes are reserved from the pool until the host has taken them, so the right
/// edge never moves back, and no byte left of it is ever dropped.
struct ReceiveSide: BitwiseCopyable {
    /// How far the guest's end of the stream has come.
    enum End: BitwiseCopyable {
        case open
        /// FIN came out of order, at this sequence number.
        case pending(at: SequenceNumber)
        /// FIN came, and everything before it.
        case finished
    }

    /// The next byte that is awaited.
    var nxt = SequenceNumber(0)
    /// The right edge of the window that the guest was offered.
    var edge = SequenceNumber(0)
    /// Of the guest's SYN (IRS).
    private(set) var initial = SequenceNumber(0)
    /// Behind the guest's urgent byte.
    var urgentEnd = SequenceNumber(0)
    var end = End.open
    /// What our window field is shifted by (RFC 7323 §2); zero unless scaling is agreed.
    var scale: UInt8 = 0
    /// In-order payload that the host has not taken.
    var unsent = LeaseQueue()
    var outOfOrder = OutOfOrderQueue()
    /// Bytes of unsent payload and window together; doubles while the host keeps up.
    private(set) var limit = TCPBounds.initialReceiveLimit
    /// Bytes that the host took since `limit` last grew.
    private var takenSinceGrowth: UInt32 = 0

    /// Bytes of the window that was offered.
    @inline(__always) var offered: Int { Int(edge.distance(from: nxt)) }

    @inline(__always) var isFinished: Bool {
        if case .finished = end { true } else { false }
    }

    /// The guest's SYN is at `sequence`. What was offered before, with our SYN, counts from there.
    mutating func begin(at sequence: SequenceNumber) {
        let window = offered
        initial = sequence
        nxt = sequence.advanced(by: 1)
        edge = nxt.advanced(by: window)
    }

    /// The four cases of RFC 9293 §3.10.7.4, first check. An empty segment just at the window's edge, which a guest sends
    /// that has filled the window, is taken for what it acknowledges.
    ///
    /// - Parameter extent: bytes of sequence space that the segment takes.
    @inline(__always)
    func isAcceptable(_ sequence: SequenceNumber, extent: Int) -> Bool {
        let window = UInt32(bitPattern: max(0, edge.distance(from: nxt)))
        if extent == 0 { return sequence.isInside(windowStartingAt: nxt, size: window &+ 1) }
        // With a closed window a segment at its edge may still bring an acknowledgement.
        if window == 0 { return sequence == nxt }
        return sequence.isInside(windowStartingAt: nxt, size: window)
            || sequence.advanced(by: extent - 1).isInside(windowStartingAt: nxt, size: window)
            || (!nxt.precedes(sequence) && nxt.precedes(sequence.advanced(by: extent)))
    }

    // MARK: The window

    /// The window field of a SYN or SYN-ACK, which is never scaled.
    mutating func firstWindowField(_ reservation: inout WindowReservation, connections: Int) -> UInt16 {
        let wanted =
            reservation.hasRoom(for: Int(TCPBounds.initialReceiveLimit))
            ? TCPBounds.initialReceiveLimit : reservation.leastWindow(connections: connections)
        let wantedEdge = nxt.advanced(by: Int(wanted))
        if edge.precedes(wantedEdge) { reserve(upTo: wantedEdge, in: &reservation) }
        return UInt16(clamping: UInt32(bitPattern: edge.distance(from: nxt)))
    }

    /// The window field of any other segment: moves the right edge as far as the reservation allows.
    ///
    /// - Parameters:
    ///   - acknowledgement: what the segment acknowledges, where the field counts from.
    ///   - isOpen: the guest may still send.
    ///   - connections: those that share the reservation.
    @inline(__always)
    mutating func windowField(
        from acknowledgement: SequenceNumber, isOpen: Bool, _ reservation: inout WindowReservation, connections: Int
    ) -> UInt16 {
        let allowed = allowedEdge(isOpen: isOpen, reservation, connections: connections)
        let shift = UInt32(scale)
        var field = min(UInt32(bitPattern: allowed.distance(from: acknowledgement)) &>> shift, 65_535)
        var told = acknowledgement.advanced(by: Int(field &<< shift))
        // The field is coarse; rounding down must not move the edge back. An edge told by an unscaled SYN may lie a
        // fraction of a step beyond what the field can say.
        // Segments smaller than a step would so keep the window open for ever: beyond some slack the field is rounded
        // down, as RFC 7323 §2.4 lets a receiver do, while what was told before is still taken.
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

    /// The furthest right edge that the reservation allows now; at least the edge already told.
    @inline(__always)
    private func allowedEdge(
        isOpen: Bool, _ reservation: borrowing WindowReservation, connections: Int
    ) -> SequenceNumber {
        guard isOpen else { return edge }
        let room = Int(limit) &- unsent.bytes
        let wanted = nxt.advanced(by: max(0, room))
        let growth = Int(wanted.distance(from: edge))
        if growth <= 0 { return edge }
        if reservation.hasRoom(for: growth) { return wanted }
        // Everything is reserved; a small window of its own lets every connection make progress.
        let least = nxt.advanced(by: min(max(0, room), Int(reservation.leastWindow(connections: connections))))
        return least.precedes(edge) ? edge : least
    }

    /// The host took `bytes` of the unsent payload, which is off the queue already.
    ///
    /// - Parameter largest: what `limit` may grow to.
    @inline(__always)
    mutating func hostTook(_ bytes: Int, _ reservation: inout WindowReservation, largest: Int) {
        reservation.release(bytes)
        takenSinceGrowth &+= UInt32(truncatingIfNeeded: bytes)
        guard takenSinceGrowth >= limit else { return }
        takenSinceGrowth = 0
        // A host that empties the queue could take more at a time.
        if unsent.bytes <= Int(limit / 2) { limit = max(limit, min(limit * 2, UInt32(clamping: largest))) }
    }

    /// Whether the window was small and could grow well, and is worth announcing: silly window avoidance
    /// (RFC 9293 §3.8.6.2.2).
    @inline(__always)
    func isWorthAnnouncing(segment: UInt16, _ reservation: borrowing WindowReservation, connections: Int) -> Bool {
        let told = offered
        let target = Int(limit)
        guard told < target / 2 else { return false }
        let gain = Int(allowedEdge(isOpen: true, reservation, connections: connections).distance(from: edge))
        return gain >= min(target / 4, 2 * Int(segment)) || (told == 0 && gain > 0)
    }

    /// The guest's FIN is in order. Its byte of sequence space will not wait for the host.
    mutating func finish(_ reservation: inout WindowReservation) {
        end = .finished
        nxt = nxt.advanced(by: 1)
        if edge.precedes(nxt) {
            reservation.reserve(1)
            edge = nxt
        }
        reservation.release(1)
    }

    /// Gives back everything that the connection has reserved and holds.
    mutating func removeAll(_ reservation: inout WindowReservation, _ pool: UnsafeMutablePointer<BufferPool>) {
        reservation.release(max(0, offered) &+ unsent.bytes)
        edge = nxt
        pool.pointee.releaseAll(&unsent)
        outOfOrder.removeAll(pool)
    }

    // MARK: Unsent payload

    /// Appends in-order payload, copied where its buffer would be pinned for little. True when the lease itself is on the
    /// queue.
    @inline(__always)
    mutating func append(
        _ lease: Lease, _ pool: UnsafeMutablePointer<BufferPool>, _ space: BufferSpace
    ) -> Bool {
        let length = Int(space.state(of: lease).pointee.length)
        nxt = nxt.advanced(by: length)
        let tail = unsent.tail
        if length < TCPBounds.coalesceBelow, !tail.isNone, space.state(of: tail).pointee.holds == 1 {
            // Not in the kernel's hands, so bytes may be added behind.
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

    /// Copies payload into small buffers, the last one on the queue first where it has room. False, and nothing done, when
    /// there are not enough.
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

    /// Takes `bytes` off the front of the queue. Returns those that were not on it.
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
