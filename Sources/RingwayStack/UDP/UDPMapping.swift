public import RingwayModel
public import RingwayStorage

/// A UDP flow. An ordinary mapping is for one port of the guest: it has an unconnected host socket for all peers
/// (endpoint-independent mapping, RFC 4787 §4.1). A forwarded mapping is for one peer of a published port: it has no
/// socket of its own, and its datagrams use the port's listener.
@frozen
public struct UDPMapping: BitwiseCopyable {
    public var key: FlowKey
    public var links = SlotLinks()
    /// Monotonic nanoseconds of the last datagram in either direction.
    public private(set) var usedAt: UInt64
    /// The start of the mapping's idle timeout, monotonic nanoseconds. Datagrams from the guest restart the timeout.
    /// So do solicited datagrams from the host's side (`noteFromHost`), so that a receive-only stream stays open.
    /// Unsolicited datagrams do not (RFC 4787 REQ-6).
    public private(set) var renewedAt: UInt64
    /// Whether the side that did not open the mapping has sent a datagram.
    public private(set) var isAnswered = false
    /// Whether the guest has sent only to port 53.
    public var isNameQuery: Bool
    /// Unanswered datagrams of the guest, 255 at most; used if the guest has only sent to port 53.
    public private(set) var answersDue: UInt8 = 0
    /// Whether the mapping is for one peer of a published port, and has no socket of its own.
    public var isForwarded = false
    /// Whether the guest sent the first datagram.
    public var isOpenedByGuest = true
    /// The shard's identifier for the listener of a forwarded mapping.
    public var listener: UInt32 = .max
    /// The peer of a forwarded mapping as the host knows it; otherwise the destination that the guest sent to last.
    public var peer: TransportAddress
    /// The host address that the peer of a forwarded mapping sent to, which is the source of replies. Unspecified while
    /// the peer has not sent.
    public var local: IPAddress

    init(key: FlowKey, now: UInt64, isNameQuery: Bool) {
        self.key = key
        usedAt = now
        renewedAt = now
        self.isNameQuery = isNameQuery
        peer = TransportAddress(address: key.remote, port: key.remotePort)
        local = IPAddress(high: 0, low: 0)
    }

    /// A mapping for a peer of a published port.
    init(key: FlowKey, now: UInt64, listener: UInt32, peer: TransportAddress, isOpenedByGuest: Bool) {
        self.init(key: key, now: now, isNameQuery: false)
        isForwarded = true
        self.listener = listener
        self.peer = peer
        self.isOpenedByGuest = isOpenedByGuest
    }

    /// The guest's address and port.
    var guest: TransportAddress { TransportAddress(address: key.guest, port: key.guestPort) }

    /// Whether a datagram has come from the host's side.
    var hasPeerSpoken: Bool { !isOpenedByGuest || isAnswered }

    /// Records a datagram from the guest; true if it is the first answer.
    mutating func noteFromGuest(now: UInt64) -> Bool {
        usedAt = now
        renewedAt = now
        if answersDue < .max { answersDue += 1 }
        return noteAnswer(!isOpenedByGuest)
    }

    /// Records a datagram from the host; true if it is the first answer.
    ///
    /// - Parameter isSolicited: whether the guest is known to have sent to the datagram's source, or the source is a
    ///   client of a published port. With endpoint-independent filtering it is not known to whom the guest has sent.
    mutating func noteFromHost(now: UInt64, isSolicited: Bool) -> Bool {
        usedAt = now
        // The answer to a DNS query restarts the timeout, which is shorter while no query is unanswered.
        if isSolicited && (!isNameQuery || answersDue > 0) { renewedAt = now }
        if answersDue > 0 { answersDue -= 1 }
        return noteAnswer(isOpenedByGuest)
    }

    private mutating func noteAnswer(_ isAnswer: Bool) -> Bool {
        guard isAnswer, !isAnswered else { return false }
        isAnswered = true
        return true
    }
}
