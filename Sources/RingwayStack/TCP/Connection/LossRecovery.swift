internal import RingwayWire

/// Determines which data in flight to the guest is lost, and which part of it to retransmit next.
///
/// A loss is detected by three duplicate acknowledgements, by SACK blocks that cover at least two segments, or by the
/// retransmission timer. RFC 6675 §4 requires more than two segments, because networks reorder; the link does not.
/// All data before `lossEdge` that is not selectively acknowledged is then retransmitted, in order, as the congestion
/// window allows, until `recover` is acknowledged (RFC 6675; without SACK, RFC 6582). `CongestionControl` computes
/// the window.
struct LossRecovery: BitwiseCopyable {
    enum Phase: UInt8, BitwiseCopyable {
        /// No loss is known.
        case none
        /// Fast recovery, after duplicate acknowledgements or SACK.
        case fast
        /// The retransmission timer expired, or the segment size was reduced: all data in flight is retransmitted.
        case timeout
    }

    /// A range of lost data to retransmit.
    struct Loss {
        let start: SequenceNumber
        let end: SequenceNumber
        /// Bytes that the congestion window allows; at least a segment.
        let allowed: Int
    }

    private(set) var phase = Phase.none
    private(set) var duplicates: UInt8 = 0
    /// The acknowledgement that ends recovery (RecoveryPoint).
    private(set) var recover = SequenceNumber(0)
    /// Data before this sequence number that is not selectively acknowledged counts as lost.
    private(set) var lossEdge = SequenceNumber(0)
    /// The next lost byte to retransmit (HighRxt).
    private(set) var next = SequenceNumber(0)
    private(set) var scoreboard = Scoreboard()

    @inline(__always) var isUnderWay: Bool { phase != .none }

    /// Takes the SACK blocks of an acknowledgement; true if they report new data. Blocks outside the data in flight are
    /// ignored (RFC 6675 §2), as is D-SACK below the cumulative acknowledgement.
    mutating func take(
        _ options: TCPOptions, acknowledging acknowledgement: SequenceNumber, una: SequenceNumber, nxt: SequenceNumber
    ) -> Bool {
        guard options.sackBlockCount > 0 else { return false }
        let before = scoreboard.bytes(from: una, to: nxt)
        for index in 0..<options.sackBlockCount {
            let block = options.sackBlocks[index]
            guard block.start.precedes(block.end), !block.start.precedes(acknowledgement), !block.start.precedes(una),
                !nxt.precedes(block.end)
            else { continue }
            scoreboard.insert(start: block.start, end: block.end)
        }
        return scoreboard.bytes(from: una, to: nxt) > before
    }

    /// Counts a duplicate acknowledgement; true if it is the one that indicates a loss and starts fast recovery.
    ///
    /// - Parameter usesSACK: SACK is agreed.
    mutating func duplicate(una: SequenceNumber, nxt: SequenceNumber, segment: UInt16, usesSACK: Bool) -> Bool {
        if duplicates < .max { duplicates += 1 }
        guard phase == .none else {
            if phase == .fast, usesSACK { extendLossEdge() }
            return false
        }
        let isHeld = !scoreboard.isEmpty && scoreboard.bytes(from: una, to: nxt) >= 2 * UInt32(segment)
        guard duplicates >= 3 || isHeld else { return false }
        recover = nxt
        next = una
        lossEdge = scoreboard.isEmpty ? una.advanced(by: Int(segment)) : scoreboard.highest
        phase = .fast
        return true
    }

    /// The retransmission timer expired. The scoreboard is cleared, because the guest may have discarded data that it
    /// reported by SACK (RFC 2018 §8).
    mutating func timedOut(una: SequenceNumber, nxt: SequenceNumber) {
        scoreboard.removeAll()
        sendAllAgain(una: una, nxt: nxt)
    }

    /// Marks all data in flight for retransmission.
    mutating func sendAllAgain(una: SequenceNumber, nxt: SequenceNumber) {
        recover = nxt
        lossEdge = nxt
        next = una
        duplicates = 0
        phase = .timeout
    }

    /// All data before `edge` is acknowledged; true if this ends recovery.
    @inline(__always)
    mutating func acknowledged(upTo edge: SequenceNumber, segment: UInt16, usesSACK: Bool) -> Bool {
        duplicates = 0
        if !scoreboard.isEmpty { scoreboard.acknowledge(upTo: edge) }
        guard phase != .none else { return false }
        return acknowledgedInRecovery(upTo: edge, segment: segment, usesSACK: usesSACK)
    }

    @inline(never)
    private mutating func acknowledgedInRecovery(
        upTo edge: SequenceNumber, segment: UInt16, usesSACK: Bool
    ) -> Bool {
        if next.precedes(edge) { next = edge }
        guard edge.precedes(recover) else {
            phase = .none
            scoreboard.removeAll()
            return true
        }
        guard phase == .fast else { return false }
        if !usesSACK {
            // RFC 6582: a partial acknowledgement indicates the next loss.
            next = edge
            lossEdge = edge.advanced(by: Int(segment))
        } else if !edge.precedes(lossEdge) {
            lossEdge = edge.advanced(by: Int(segment))
        }
        return false
    }

    /// The next range to retransmit; `nil` if there is none, or if the congestion window has no room for it.
    ///
    /// - Parameter window: the congestion window, bytes.
    mutating func nextLoss(una: SequenceNumber, nxt: SequenceNumber, window: UInt32, segment: UInt16) -> Loss? {
        if phase == .fast { extendLossEdge() }
        // `lossEdge` advances by whole segments, so it may lie beyond the data in flight.
        if nxt.precedes(lossEdge) { lossEdge = nxt }
        guard next.precedes(lossEdge) else { return nil }
        let hole = scoreboard.hole(from: next.precedes(una) ? una : next, limit: lossEdge)
        guard hole.start.precedes(hole.end) else {
            next = lossEdge
            return nil
        }
        // RFC 6675 §4: the pipe is the retransmitted data and the data beyond the losses.
        let beyond = UInt32(bitPattern: max(0, nxt.distance(from: lossEdge)))
        let again = UInt32(bitPattern: hole.start.distance(from: una))
        let pipe = beyond &+ again &- min(again, scoreboard.bytes(from: una, to: hole.start))
        let size = UInt32(segment)
        // The first loss is retransmitted regardless of the pipe (RFC 6675 §5, step 4.3; RFC 6582 §3.2).
        guard hole.start == una || pipe &+ size <= window else { return nil }
        return Loss(start: hole.start, end: hole.end, allowed: Int(max(size, window &- min(pipe, window))))
    }

    /// All lost data before `edge` has been retransmitted.
    mutating func resent(upTo edge: SequenceNumber) { next = edge }

    private mutating func extendLossEdge() {
        if !scoreboard.isEmpty, lossEdge.precedes(scoreboard.highest) { lossEdge = scoreboard.highest }
    }
}
