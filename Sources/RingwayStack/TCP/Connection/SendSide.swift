internal import RingwayStorage
internal import RingwayWire

/// One connection toward the guest: what is in flight, and how much more the guest takes (SND.* of RFC 9293 §3.3.1).
struct SendSide: BitwiseCopyable {
    /// How far the host's end of the stream has come.
    enum End: UInt8, BitwiseCopyable {
        case open
        /// The host reached its end of file; FIN waits for data that the guest's window has no room for.
        case finished
        /// FIN is sent: it is the byte before `nxt`.
        case finSent
    }

    /// The oldest byte that is not acknowledged.
    var una = SequenceNumber(0)
    /// The next byte to send.
    var nxt = SequenceNumber(0)
    /// What the guest takes beyond `una`, bytes.
    private(set) var window: UInt32 = 0
    /// The largest window that the guest ever offered, bytes.
    private(set) var windowMaximum: UInt32 = 0
    /// Sequence number and acknowledgement of the segment that `window` comes from.
    private var wl1 = SequenceNumber(0)
    private var wl2 = SequenceNumber(0)
    /// What the guest's window field is shifted by (RFC 7323 §2); zero unless scaling is agreed.
    var scale: UInt8 = 0
    var end = End.open
    /// The largest payload of one segment: what the guest takes, less the options of every segment (RFC 6691).
    private(set) var segmentSize: UInt16 = 536
    /// The largest payload of one frame: as many whole segments as an IP packet holds.
    private(set) var superFramePayload: UInt32 = 536
    /// What the guest has not acknowledged, and behind it, from `nxt` on, what its window had no room for.
    var unacknowledged = LeaseQueue()
    /// Bytes at the end of `unacknowledged` that were not sent yet.
    private(set) var heldBack: UInt32 = 0

    /// Bytes sent and not acknowledged, SYN and FIN included.
    @inline(__always) var flight: UInt32 { UInt32(bitPattern: nxt.distance(from: una)) }

    /// Bytes that the guest's window has room for now.
    @inline(__always) var usable: UInt32 { window &- min(window, flight) }

    @inline(__always) var isFINAcknowledged: Bool { end == .finSent && una == nxt }

    /// The connection begins with SYN at `initial`.
    mutating func begin(at initial: SequenceNumber) {
        una = initial
        nxt = initial
    }

    /// - Parameter optionLength: bytes of options in every segment.
    mutating func setSegmentSize(_ size: UInt16, isIPv4: Bool, optionLength: UInt8) {
        segmentSize = size
        let room = 65_535 - (isIPv4 ? 40 : 60) - UInt32(optionLength)
        superFramePayload = max(1, room / UInt32(size)) * UInt32(size)
    }

    /// The first window that the guest offers, with SYN or with the acknowledgement of ours; that of a segment with SYN is
    /// never scaled.
    mutating func takeFirstWindow(_ header: TCPHeader) {
        let shift = header.flags.contains(.syn) ? 0 : UInt32(scale)
        window = UInt32(header.window) &<< shift
        windowMaximum = window
        wl1 = header.sequence
        if header.flags.contains(.ack) { wl2 = header.acknowledgement }
    }

    /// The window that a segment offers, unless a newer one was taken (RFC 9293 §3.10.7.4). A segment that acknowledges more
    /// than any before it is newer whatever its sequence number is: its window counts from its own acknowledgement.
    ///
    /// - Returns: whether the window is open because of it.
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

    /// Everything before `edge` is acknowledged: whole buffers are released.
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

    /// Queues payload that is sent now.
    @inline(__always)
    mutating func append(_ lease: Lease, in space: BufferSpace) {
        let state = space.state(of: lease)
        state.pointee.sequence = nxt.rawValue
        nxt = nxt.advanced(by: Int(state.pointee.length))
        unacknowledged.append(lease, in: space)
    }

    /// Queues payload that the guest's window has no room for.
    mutating func holdBack(_ lease: Lease, in space: BufferSpace) {
        let state = space.state(of: lease)
        state.pointee.sequence = nxt.rawValue &+ heldBack
        heldBack &+= state.pointee.length
        unacknowledged.append(lease, in: space)
    }

    /// Bytes of what was held back that may go now; `nil` while there is no room, or only for a silly segment
    /// (RFC 9293 §3.8.6.2.1) while others are in flight.
    func sendableHeldBack() -> Int? {
        let flight = flight
        let most = min(usable, heldBack)
        let isSilly = most < heldBack && most < UInt32(segmentSize) && flight > 0
        return most > 0 && !isSilly ? Int(most) : nil
    }

    /// So many bytes of what was held back are sent.
    mutating func sentHeldBack(_ bytes: Int) {
        nxt = nxt.advanced(by: bytes)
        heldBack &-= UInt32(bytes)
    }
}
