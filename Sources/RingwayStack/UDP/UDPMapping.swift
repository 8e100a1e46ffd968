public import RingwayModel
public import RingwayStorage

/// What one of the guest's UDP ports is on the host: one unconnected socket, whichever peers the guest sends to from it
/// (endpoint-independent mapping, RFC 4787; whose datagrams come in by it `UDPFiltering` says), or one peer of a published
/// port, whose datagrams come and go through the listener.
@frozen
public struct UDPMapping: BitwiseCopyable {
    public var key: FlowKey
    public var links = SlotLinks()
    /// Monotonic nanoseconds of the last datagram in either direction.
    public private(set) var usedAt: UInt64
    /// Monotonic nanoseconds from which the mapping's life counts. The guest prolongs it, and so does a sender that the
    /// guest has sent to: a stream that only comes in goes on. No other peer keeps the guest's socket open (RFC 4787 REQ-6).
    public private(set) var renewedAt: UInt64
    /// The side that did not begin has spoken.
    public private(set) var isAnswered = false
    /// The guest has only spoken to port 53.
    public var isNameQuery: Bool
    /// Datagrams of the guest that no answer has come to yet, 255 at most: what a name query waits for.
    public private(set) var answersDue: UInt8 = 0
    /// One peer of a published port rather than a socket of its own.
    public var isForwarded = false
    /// The guest sent first, from a published port.
    public var isOpenedByGuest = true
    /// The owner's name for the listener, of a forwarded mapping.
    public var listener: UInt32 = .max
    /// The peer of a forwarded mapping as the host knows it; of any other, where the guest sent last.
    public var peer: TransportAddress
    /// The host's address that the peer spoke to, of a forwarded mapping: answers come from it. Unspecified while the
    /// peer has not spoken.
    public var local: IPAddress

    init(key: FlowKey, now: UInt64, isNameQuery: Bool) {
        self.key = key
        usedAt = now
        renewedAt = now
        self.isNameQuery = isNameQuery
        peer = TransportAddress(address: key.remote, port: key.remotePort)
        local = IPAddress(high: 0, low: 0)
    }

    /// A peer of the published port that a listener holds.
    init(key: FlowKey, now: UInt64, listener: UInt32, peer: TransportAddress, isOpenedByGuest: Bool) {
        self.init(key: key, now: now, isNameQuery: false)
        isForwarded = true
        self.listener = listener
        self.peer = peer
        self.isOpenedByGuest = isOpenedByGuest
    }

    /// The guest's end.
    var guest: TransportAddress { TransportAddress(address: key.guest, port: key.guestPort) }

    /// Whether a datagram has come from the host's side.
    var hasPeerSpoken: Bool { !isOpenedByGuest || isAnswered }

    /// Notes a datagram from the guest; true when it is the first answer.
    mutating func noteFromGuest(now: UInt64) -> Bool {
        usedAt = now
        renewedAt = now
        if answersDue < .max { answersDue += 1 }
        return noteAnswer(!isOpenedByGuest)
    }

    /// Notes a datagram from the host; true when it is the first answer.
    ///
    /// - Parameter isSolicited: its sender is one that the guest has sent to, or a client of a published port.
    mutating func noteFromHost(now: UInt64, isSolicited: Bool) -> Bool {
        usedAt = now
        // A name query's life ends soon after its answer, and begins anew with it.
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
