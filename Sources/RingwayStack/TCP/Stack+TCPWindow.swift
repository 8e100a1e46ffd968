internal import RingwayStorage
internal import RingwayWire

/// The window we offer the guest: a promise that is kept by parking, and never taken back (RFC 9293 §3.8.6.2.1).
extension Stack {
    /// The window field of a SYN or SYN-ACK, which is never scaled.
    mutating func initialWindowField(_ flow: UnsafeMutablePointer<TCPConnection>) -> UInt16 {
        let wanted =
            committed &+ Int(TCPBounds.initialParkTarget) > commitLimit ? leastWindow : TCPBounds.initialParkTarget
        let edge = flow.pointee.rcvNxt.advanced(by: Int(wanted))
        if flow.pointee.rcvEdge.precedes(edge) { promise(flow, edge) }
        return UInt16(
            clamping: UInt32(bitPattern: flow.pointee.rcvEdge.distance(from: flow.pointee.rcvNxt)))
    }

    /// Octets that a window may reach although the pool has promised what it has, so that every connection makes
    /// progress: the small buffers that no promise covers, shared by all connections.
    private var leastWindow: UInt32 {
        mutating get {
            let share = commitLimit / 2 / max(1, connections.count)
            return UInt32(
                clamping: max(TCPBounds.leastWindow.lowerBound, min(share, TCPBounds.leastWindow.upperBound)))
        }
    }

    /// The window field of any other segment: moves the right edge as far as parking space allows.
    @inline(__always)
    mutating func windowField(_ flow: UnsafeMutablePointer<TCPConnection>) -> UInt16 {
        windowField(flow, from: flow.pointee.rcvNxt)
    }

    /// - Parameter rcvNxt: what the segment acknowledges, from where the field counts.
    @inline(__always)
    mutating func windowField(_ flow: UnsafeMutablePointer<TCPConnection>, from rcvNxt: SequenceNumber) -> UInt16 {
        let edge = allowedEdge(flow)
        let scale = flow.pointee.marks.contains(.scaling) ? UInt32(flow.pointee.receiveScale) : 0
        var field = min(UInt32(bitPattern: edge.distance(from: rcvNxt)) &>> scale, 65_535)
        var told = rcvNxt.advanced(by: Int(field &<< scale))
        // The field is coarse; rounding down must not move the edge back. An edge told by an unscaled SYN may lie a
        // fraction of a step beyond what the field can say.
        // Segments smaller than a step would so keep the window open for ever: beyond some slack the field is rounded
        // down, as RFC 7323 §2.4 lets a receiver do, while what was told before is still taken.
        let rest = UInt32(bitPattern: flow.pointee.rcvEdge.distance(from: rcvNxt))
        if told.precedes(flow.pointee.rcvEdge) && field < 65_535,
            Int(rest) &+ flow.pointee.parked.octets <= Int(flow.pointee.parkTarget) &+ TCPBounds.edgeSlack
        {
            field = min((rest &+ (1 &<< scale) &- 1) &>> scale, 65_535)
            told = rcvNxt.advanced(by: Int(field &<< scale))
        }
        if flow.pointee.rcvEdge.precedes(told) { promise(flow, told) }
        return UInt16(truncatingIfNeeded: field)
    }

    @inline(__always)
    private mutating func promise(_ flow: UnsafeMutablePointer<TCPConnection>, _ edge: SequenceNumber) {
        committed &+= Int(edge.distance(from: flow.pointee.rcvEdge))
        flow.pointee.rcvEdge = edge
    }

    /// The furthest right edge that parking space allows now; at least the edge already told.
    @inline(__always)
    private mutating func allowedEdge(_ flow: UnsafeMutablePointer<TCPConnection>) -> SequenceNumber {
        guard flow.guestMaySend || flow.pointee.state == .synReceived else { return flow.pointee.rcvEdge }
        let room = Int(flow.pointee.parkTarget) &- flow.pointee.parked.octets
        var edge = flow.pointee.rcvNxt.advanced(by: max(0, room))
        let growth = Int(edge.distance(from: flow.pointee.rcvEdge))
        if growth <= 0 { return flow.pointee.rcvEdge }
        if committed &+ growth > commitLimit {
            // The pool has promised what it has; a flow keeps a small window of its own so that all make progress.
            let least = min(max(0, room), Int(leastWindow))
            edge = flow.pointee.rcvNxt.advanced(by: least)
            if edge.precedes(flow.pointee.rcvEdge) { return flow.pointee.rcvEdge }
        }
        return edge
    }

    /// The host took `octets` that were parked: the promise shrinks, and the window may be worth announcing.
    @inline(__always)
    mutating func hostTook(_ flow: UnsafeMutablePointer<TCPConnection>, octets: Int) {
        committed &-= octets
        counters.add(.tcpParkedOctets, -octets)
        flow.pointee.takenSinceGrowth &+= UInt32(truncatingIfNeeded: octets)
        if flow.pointee.takenSinceGrowth >= flow.pointee.parkTarget {
            flow.pointee.takenSinceGrowth = 0
            // A host that empties what was parked could take more at a time.
            if flow.pointee.parked.octets <= Int(flow.pointee.parkTarget / 2) {
                let limit = UInt32(clamping: configuration.limits.parkOctetsPerFlow)
                flow.pointee.parkTarget = max(flow.pointee.parkTarget, min(flow.pointee.parkTarget * 2, limit))
            }
        }
        guard flow.guestMaySend else { return }
        // Silly window avoidance (RFC 9293 §3.8.6.2.2): announce a window that was small when it has grown well.
        let told = Int(flow.pointee.rcvEdge.distance(from: flow.pointee.rcvNxt))
        let target = Int(flow.pointee.parkTarget)
        if told < target / 2 {
            let gain = Int(allowedEdge(flow).distance(from: flow.pointee.rcvEdge))
            if gain >= min(target / 4, 2 * Int(flow.pointee.segmentSize)) || (told == 0 && gain > 0) {
                oweAcknowledgement(flow)
            }
        }
    }

    /// Takes back the whole promise of a connection that ends.
    mutating func withdrawPromise(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let open = Int(flow.pointee.rcvEdge.distance(from: flow.pointee.rcvNxt))
        committed &-= max(0, open) &+ flow.pointee.parked.octets
        counters.add(.tcpParkedOctets, -flow.pointee.parked.octets)
        flow.pointee.rcvEdge = flow.pointee.rcvNxt
    }

    /// Puts the connection on the list of those to acknowledge when the turn ends.
    @inline(__always)
    mutating func oweAcknowledgement(_ flow: UnsafeMutablePointer<TCPConnection>, urgent: Bool = false) {
        flow.pointee.marks.insert(urgent ? [.acknowledge, .urgent] : .acknowledge)
        guard !flow.pointee.marks.contains(.dirty) else { return }
        flow.pointee.marks.insert(.dirty)
        flow.pointee.dirtyNext = dirtyHead
        dirtyHead = connections.slot(of: flow)
    }

    // MARK: Parking

    /// Appends in-order payload to what waits for the host. True when the lease itself was chained.
    mutating func park(_ flow: UnsafeMutablePointer<TCPConnection>, _ lease: Lease) -> Bool {
        let length = Int(space.state(of: lease).pointee.length)
        flow.pointee.rcvNxt = flow.pointee.rcvNxt.advanced(by: length)
        flow.pointee.octetsFromGuest &+= UInt64(truncatingIfNeeded: length)
        counters.add(.tcpParkedOctets, length)
        let tail = flow.pointee.parked.tail
        if length < TCPBounds.coalesceBelow, !tail.isNone, space.state(of: tail).pointee.holds == 1 {
            // Not in the kernel's hands, so bytes may be added behind.
            let last = space.state(of: tail)
            let end = Int(last.pointee.offset) &+ Int(last.pointee.length)
            if end &+ length <= space.size(of: tail) {
                (space.address(of: tail) + end).copyMemory(from: space.payload(of: lease), byteCount: length)
                last.pointee.length &+= UInt32(length)
                flow.pointee.parked.octets &+= length
                return false
            }
        }
        if !lease.isSmall, isPressed, parkInSmallBuffers(flow, lease) { return false }
        if length <= TCPBounds.copybreak, !lease.isSmall {
            let small = pool.pointee.lease(.small)
            if !small.isNone {
                space.address(of: small).copyMemory(from: space.payload(of: lease), byteCount: length)
                space.state(of: small).pointee.length = UInt32(length)
                flow.pointee.parked.append(small, in: space)
                return false
            }
        }
        flow.pointee.parked.append(lease, in: space)
        return true
    }

    /// Copies payload into small buffers, the last parked one first where it has room. False, and nothing done, when there
    /// are not enough.
    private mutating func parkInSmallBuffers(_ flow: UnsafeMutablePointer<TCPConnection>, _ lease: Lease) -> Bool {
        let length = Int(space.state(of: lease).pointee.length)
        guard pool.pointee.smallAvailable > length / BufferSpace.smallSize + 1 else { return false }
        let payload = space.payload(of: lease)
        var copied = 0
        let tail = flow.pointee.parked.tail
        if !tail.isNone, tail.isSmall, space.state(of: tail).pointee.holds == 1 {
            let last = space.state(of: tail)
            let end = Int(last.pointee.offset) &+ Int(last.pointee.length)
            copied = min(length, BufferSpace.smallSize &- end)
            (space.address(of: tail) + end).copyMemory(from: payload, byteCount: copied)
            last.pointee.length &+= UInt32(copied)
            flow.pointee.parked.octets &+= copied
        }
        while copied < length {
            let small = pool.pointee.lease(.small)
            let piece = min(length &- copied, BufferSpace.smallSize)
            space.address(of: small).copyMemory(from: payload + copied, byteCount: piece)
            space.state(of: small).pointee.length = UInt32(piece)
            flow.pointee.parked.append(small, in: space)
            copied &+= piece
        }
        return true
    }
}
