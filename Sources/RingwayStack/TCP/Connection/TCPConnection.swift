internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// One TCP connection: the guest's side as a complete TCP, the host's side as a socket that the owner drives.
///
/// ## Theory of operation
///
/// *Guest to host.* In-order payload is queued on `receive.unsent` (the lease is the queue's node, nothing is copied) and
/// the owner is asked to send it; what the socket takes is released, and the right edge of the window moves on. Payload out
/// of order rests on `receive.outOfOrder` and is reported by SACK (RFC 2018).
///
/// *Host to guest.* The owner receives straight into a lease, behind headroom, at most as much as the guest's window
/// allows. The headers go into the headroom, the frame goes out as one super-frame, and the lease stays on
/// `send.unacknowledged` until the guest has acknowledged it. A guest may close its window while a receive is in flight
/// (RFC 9293 §3.8.6): what that receive brings is held back at the end of the queue, and nothing more is received. A loss
/// is found by `recovery`, and repaired from the lease.
///
/// *Ends.* FIN from the guest shuts the socket's sending side down after the last unsent byte; end of file on the socket
/// becomes FIN after the last byte sent; RST crosses at once in either direction.
///
/// Each part is a value with operations of its own, that needs neither stack nor buffers to be tested: `SendSide` and
/// `ReceiveSide` (RFC 9293), `RoundTripEstimator` (RFC 6298), `CongestionControl` (RFC 5681, 9438), `LossRecovery`
/// (RFC 6675), `Timestamps` (RFC 7323), `Deadlines`, and `PeerWatch`. `TCP` connects them.
struct TCPConnection: BitwiseCopyable {
    /// Facts that are true or not.
    struct Marks: OptionSet, BitwiseCopyable {
        let rawValue: UInt32
        init(rawValue: UInt32) { self.rawValue = rawValue }
        /// On the list of connections to look at when the turn ends.
        static var dirty: Marks { Marks(rawValue: 1 << 0) }
        /// The guest is owed an acknowledgement.
        static var acknowledge: Marks { Marks(rawValue: 1 << 1) }
        /// A send is in flight.
        static var sending: Marks { Marks(rawValue: 1 << 2) }
        /// A receive is in flight.
        static var receiving: Marks { Marks(rawValue: 1 << 3) }
        /// The guest permits SACK.
        static var sack: Marks { Marks(rawValue: 1 << 4) }
        /// A client of a published port opened the connection.
        static var openedByHost: Marks { Marks(rawValue: 1 << 5) }
        /// A host socket exists.
        static var socket: Marks { Marks(rawValue: 1 << 6) }
        /// The host side is a built-in service.
        static var service: Marks { Marks(rawValue: 1 << 7) }
        /// The owner watches the socket for failure.
        static var watched: Marks { Marks(rawValue: 1 << 8) }
        /// The owner was asked to shut the socket's sending side down.
        static var shutDown: Marks { Marks(rawValue: 1 << 9) }
        /// The client has ended its side before the guest has answered.
        static var clientGone: Marks { Marks(rawValue: 1 << 10) }
        /// The flow table leads here no more: only the host's side is left.
        static var detached: Marks { Marks(rawValue: 1 << 11) }
        /// The byte before `receive.urgentEnd` is urgent, and the host has not got it yet.
        static var urgentToHost: Marks { Marks(rawValue: 1 << 12) }
        /// The next byte from the host is urgent.
        static var urgentToGuest: Marks { Marks(rawValue: 1 << 13) }
        /// The last byte of the guest's is not acknowledged until the far end has it.
        static var withholds: Marks { Marks(rawValue: 1 << 14) }
        /// A segment came that no acknowledgement was sent for, because its last byte is withheld.
        static var deferred: Marks { Marks(rawValue: 1 << 15) }
        /// The far end does not answer: nor do we.
        static var silent: Marks { Marks(rawValue: 1 << 16) }
        /// A keepalive probe of the guest's waits for a sign of the far end.
        static var probed: Marks { Marks(rawValue: 1 << 17) }
        /// What waits for a sign of the far end.
        static var awaitsPeer: Marks { [.withholds, .silent, .probed] }
    }

    let key: FlowKey
    var state: TCPState
    /// Whether the guest is known to have the address that a client is connected to.
    var trust = GuestTrust.certain
    /// Differentiated services of the segments from the guest and of those to it (RFC 2474), in place, without ECN.
    var classFromGuest: UInt8 = 0
    var classToGuest: UInt8 = 0
    /// Bytes of options in every segment to the guest: those of the timestamps where they are agreed, or none.
    var optionLength: UInt8 = 0
    var marks: Marks = []

    var send = SendSide()
    var receive = ReceiveSide()
    var roundTrip = RoundTripEstimator()
    var congestion: CongestionControl
    var recovery = LossRecovery()
    var deadlines: Deadlines
    /// Meaningful where every segment has them; see `optionLength`.
    var timestamps = Timestamps()
    /// What is known of the far end.
    var watch: PeerWatch

    /// Payload in order from the guest, and acknowledged by it, bytes.
    var bytesFromGuest: UInt64 = 0
    var bytesToGuest: UInt64 = 0

    /// The next connection on the list of dirty ones.
    var dirtyNext: UInt32 = SlotList.none
    /// The place among the connections whose opening is under way.
    var halfOpenLinks = SlotLinks()
    /// The owner's own name for the host socket.
    var socket = Effect.noSocket
    /// Where the host socket connects to, or the client that connected to us.
    let hostAddress: TransportAddress

    init(
        key: FlowKey, state: TCPState, hostAddress: TransportAddress, congestion: CongestionAlgorithm, now: UInt64
    ) {
        self.key = key
        self.state = state
        self.hostAddress = hostAddress
        self.congestion = CongestionControl(congestion)
        deadlines = Deadlines(now: now)
        watch = PeerWatch(now: now)
    }

    mutating func setSegmentSize(_ size: UInt16) {
        send.setSegmentSize(size, isIPv4: key.remote.isIPv4, optionLength: optionLength)
    }
}

/// Where a connection lives: its place in the table of all, valid until it is removed.
typealias TCPFlow = UnsafeMutablePointer<TCPConnection>

/// What follows from several parts of a connection, asked of its address: a property of the value itself would be given a
/// copy of several hundred bytes to be computed from.
extension UnsafeMutablePointer<TCPConnection> {
    /// What we acknowledge: all that is in order, less what waits for a sign of the far end.
    @inline(__always) var acknowledgement: SequenceNumber {
        if pointee.marks.isDisjoint(with: [.withholds, .silent]) { return pointee.receive.nxt }
        return pointee.marks.contains(.silent)
            ? pointee.watch.acknowledged : pointee.receive.nxt.advanced(by: -1)
    }

    /// Whether data may still come from the guest.
    @inline(__always) var guestMaySend: Bool {
        let state = pointee.state
        return state == .established || state == .finWait1 || state == .finWait2
    }

    /// Whether the window may grow.
    @inline(__always) var isWindowOpen: Bool { guestMaySend || pointee.state == .synReceived }

    /// Whether data may still go to the guest.
    @inline(__always) var hostMaySend: Bool {
        let state = pointee.state
        return state == .established || state == .closeWait
    }

    /// Whether a silent guest is probed.
    @inline(__always) var keepsAlive: Bool {
        switch pointee.state {
        case .established, .closeWait, .finWait2: true
        default: false
        }
    }

    /// Whether the far end is one that the host's kernel knows about, and the guest still speaks.
    @inline(__always) var isWatchable: Bool {
        let marks = pointee.marks
        guard marks.contains(.socket), !marks.contains(.service) else { return false }
        switch pointee.state {
        case .established, .finWait1, .finWait2, .closeWait: return true
        default: return false
        }
    }
}
