internal import RingwayStorage
internal import RingwayWire

/// The send side of a connection (SND.* of RFC 9293 §3.3.1): data in flight, and the guest's receive window.
struct SendSide: BitwiseCopyable {
    /// The state of the stream's end.
    enum End: UInt8, BitwiseCopyable {
        case open
        /// The host returned end of file; FIN waits for data that does not fit the guest's window.
        case finished
        /// FIN is sent: it is the byte before `nxt`.
        case finSent
    }

    /// The oldest unacknowledged byte.
    var una = SequenceNumber(0)
    /// The next byte to send.
    var nxt = SequenceNumber(0)
    /// The guest's receive window, counted from `una`, bytes.
    private(set) var window: UInt32 = 0
    /// The largest window that the guest ever advertised, bytes.
    private(set) var windowMaximum: UInt32 = 0
    /// Sequence number and acknowledgement of the segment that `window` comes from.
    private var wl1 = SequenceNumber(0)
    private var wl2 = SequenceNumber(0)
    /// The shift of the guest's window field (RFC 7323 §2); zero unless scaling is agreed.
    var scale: UInt8 = 0
    var end = End.open
    /// The largest payload of one segment: the MSS, limited by the MTU of link and path, less the options of every
    /// segment (RFC 6691).
    private(set) var segmentSize: UInt16 = 536
    /// The largest payload of one super-frame: as many whole segments as an IP packet holds.
    private(set) var superFramePayload: UInt32 = 536
    /// Unacknowledged data and, from `nxt` on, data that did not fit the guest's window.
    var unacknowledged = LeaseQueue()
    /// Bytes at the end of `unacknowledged` that have not been sent.
    private(set) var heldBack: UInt32 = 0

    /// Bytes sent and not acknowledged, SYN and FIN included.
    @inline(__always) var flight: UInt32 { UInt32(bitPattern: nxt.distance(from: una)) }

    /// Bytes of the guest's window not in use.
    @inline(__always) var usable: UInt32 { window &- min(window, flight) }

    @inline(__always) var isFINAcknowledged: Bool { end == .finSent && una == nxt }

    /// Whether a segment may have this acknowledgement number: it is not beyond what was sent (RFC 9293 §3.10.7.4). The
    /// lower limit of RFC 5961 §5, which is against attackers who do not see the connection, is not checked: only the
    /// guest itself can send on its link.
    @inline(__always)
    func mayAcknowledge(upTo number: SequenceNumber) -> Bool { !nxt.precedes(number) }

    /// Sets the initial sequence number, which is the number of the SYN.
    mutating func begin(at initial: SequenceNumber) {
        una = initial
        nxt = initial
    }

    /// Sets `segmentSize` and `superFramePayload`. Every segment has `optionLength` bytes of options.
    mutating func setSegmentSize(_ size: UInt16, isIPv4: Bool, optionLength: UInt8) {
        segmentSize = size
        let room = 65_535 - (isIPv4 ? 40 : 60) - UInt32(optionLength)
        superFramePayload = max(1, room / UInt32(size)) * UInt32(size)
    }

    /// Records the guest's first window, which comes with the guest's SYN or with its acknowledgement of the stack's
    /// SYN. The window of a SYN is never scaled.
    mutating func takeFirstWindow(_ header: TCPHeader) {
        let shift = header.flags.contains(.syn) ? 0 : UInt32(scale)
        window = UInt32(header.window) &<< shift
        windowMaximum = window
        wl1 = header.sequence
        if header.flags.contains(.ack) { wl2 = header.acknowledgement }
    }

    /// Updates the window from a segment, unless it is older than the last update (RFC 9293 §3.10.7.4). A segment that
    /// acknowledges more than any before it is newer regardless of its sequence number.
    ///
    /// - Returns: whether the window was updated and is not zero.
    @inline(__always)
    mutating func updateWindow(_ header: TCPHeader, _ offered: UInt32) -> Bool {
        let isNewer =
            una.precedes(header.acknowledgement) || wl1.precedes(header.sequence)
            || (wl1 == header.sequence && !header.acknowledgement.precedes(wl2))
        guard isNewer else { return false }
        window = offered
        windowMaximum = max(windowMaximum, offered)
        wl1 = header.sequence
        wl2 = header.acknowledgement
        return offered > 0
    }

    /// The guest has acknowledged all data before `edge`: releases the buffers that are acknowledged completely.
    @inline(__always)
    mutating func acknowledged(
        upTo edge: SequenceNumber, to pool: UnsafeMutablePointer<BufferPool>, _ space: BufferSpace
    ) {
        una = edge
        while !unacknowledged.isEmpty {
            let first = unacknowledged.head
            let state = space.state(of: first)
            if edge.precedes(SequenceNumber(state.pointee.sequence &+ state.pointee.length)) { break }
            _ = unacknowledged.popFirst(in: space)
            pool.pointee.release(first)
        }
    }

    /// Queues payload that is being sent.
    @inline(__always)
    mutating func append(_ lease: Lease, in space: BufferSpace) {
        let state = space.state(of: lease)
        state.pointee.sequence = nxt.rawValue
        nxt = nxt.advanced(by: Int(state.pointee.length))
        unacknowledged.append(lease, in: space)
    }

    /// Queues payload that does not fit the guest's window.
    mutating func holdBack(_ lease: Lease, in space: BufferSpace) {
        let state = space.state(of: lease)
        state.pointee.sequence = nxt.rawValue &+ heldBack
        heldBack &+= state.pointee.length
        unacknowledged.append(lease, in: space)
    }

    /// Bytes of held-back payload that may be sent now; `nil` if the guest's window has no room. Also `nil` if, while
    /// data is in flight, the room is less than a full segment and less than all that is held back (silly window
    /// avoidance, RFC 9293 §3.8.6.2.1).
    func sendableHeldBack() -> Int? {
        let flight = flight
        let most = min(usable, heldBack)
        let isSilly = most < heldBack && most < UInt32(segmentSize) && flight > 0
        return most > 0 && !isSilly ? Int(most) : nil
    }

    /// The first `bytes` of the held-back payload have been sent.
    mutating func sentHeldBack(_ bytes: Int) {
        nxt = nxt.advanced(by: bytes)
        heldBack &-= UInt32(bytes)
    }
}
