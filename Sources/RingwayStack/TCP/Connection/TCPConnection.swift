internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// One TCP connection: a complete TCP toward the guest, and a socket toward the host. The shard has the descriptor of
/// the socket, and sends and receives on it at the stack's request.
///
/// ## Theory of operation
///
/// *Guest to host.* In-order payload is queued on `receive.unsent`: its lease is linked into the queue, and the
/// payload is copied only if it is small or buffers are scarce. The shard is asked to send the queue. Bytes that the
/// socket accepts are released, and the right edge of the window advances. Out-of-order payload is queued on
/// `receive.outOfOrder` and reported by SACK (RFC 2018).
///
/// *Host to guest.* The shard receives from the socket directly into a lease, after headroom for the headers, and at
/// most as much as the guest's window allows. The headers are written into the headroom, the frame is sent as one
/// super-frame, and the lease stays on `send.unacknowledged` until the guest has acknowledged it. A guest may shrink
/// its window while a receive is in flight (RFC 9293 §3.8.6): the received data is then held back at the end of that
/// queue, and no further receive is issued. `recovery` detects losses, and retransmits from the lease.
///
/// *Ends.* FIN from the guest shuts down the socket's send side after the last unsent byte; end of file on the socket
/// becomes FIN after the last byte sent; RST is passed on at once in either direction.
///
/// Each part is a value with its own operations that can be tested without stack and buffers: `SendSide` and
/// `ReceiveSide` (RFC 9293), `RoundTripEstimator` (RFC 6298), `CongestionControl` (RFC 5681, 9438), `LossRecovery` (RFC
/// 6675), `Timestamps` (RFC 7323), `Deadlines`, and `PeerWatch`. `TCP` connects them.
struct TCPConnection: BitwiseCopyable {
    /// Boolean properties of a connection.
    struct Marks: OptionSet, BitwiseCopyable {
        let rawValue: UInt32
        init(rawValue: UInt32) { self.rawValue = rawValue }
        /// The connection is on the list of those that need work at the end of the turn (`TCP.dirtyHead`).
        static var dirty: Marks { Marks(rawValue: 1 << 0) }
        /// An acknowledgement is due.
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
        /// The host socket leads to the built-in DNS service.
        static var service: Marks { Marks(rawValue: 1 << 7) }
        /// The shard polls the socket for errors.
        static var watched: Marks { Marks(rawValue: 1 << 8) }
        /// The shard was asked to shut down the socket's send side; in TIME-WAIT and `draining` to close it instead.
        static var shutDown: Marks { Marks(rawValue: 1 << 9) }
        /// The client of the published port sent FIN before the guest answered.
        static var clientGone: Marks { Marks(rawValue: 1 << 10) }
        /// The connection has left the flow table: the guest is finished with it, but the host has yet to accept data.
        static var detached: Marks { Marks(rawValue: 1 << 11) }
        /// The byte before `receive.urgentEnd` is urgent, and the host has not accepted it yet.
        static var urgentToHost: Marks { Marks(rawValue: 1 << 12) }
        /// The next byte from the host is urgent.
        static var urgentToGuest: Marks { Marks(rawValue: 1 << 13) }
        /// The last byte of the guest's data is left unacknowledged until the far end (the host socket's peer) shows
        /// that it is alive.
        static var withholds: Marks { Marks(rawValue: 1 << 14) }
        /// The last segment was not acknowledged even in part, because its last byte is withheld (`withholds`). The
        /// next segment is acknowledged at once, except for its last byte if that is withheld, too.
        static var deferred: Marks { Marks(rawValue: 1 << 15) }
        /// The far end does not answer, so the stack does not answer the guest.
        static var silent: Marks { Marks(rawValue: 1 << 16) }
        /// The reply to a keepalive probe from the guest waits for a sign of life from the far end.
        static var probed: Marks { Marks(rawValue: 1 << 17) }
        /// The marks that a sign of life from the far end removes.
        static var awaitsPeer: Marks { [.withholds, .silent, .probed] }
    }

    let key: FlowKey
    var state: TCPState
    /// How likely it is that the guest has the address to which the stack connects a client of a published port.
    var trust = GuestTrust.certain
    /// DSCP of the segments from and to the guest (RFC 2474), in the upper six bits; the two ECN bits are zero.
    var classFromGuest: UInt8 = 0
    var classToGuest: UInt8 = 0
    /// Bytes of options in every segment to the guest: the timestamp option's length if it is agreed, otherwise zero.
    var optionLength: UInt8 = 0
    var marks: Marks = []

    var send = SendSide()
    var receive = ReceiveSide()
    var roundTrip = RoundTripEstimator()
    var congestion: CongestionControl
    var recovery = LossRecovery()
    var deadlines: Deadlines
    /// The state of the timestamp option. Valid only if the option is agreed, in which case `optionLength` is not zero.
    var timestamps = Timestamps()
    /// What is known about the far end, the peer of the host socket.
    var watch: PeerWatch

    /// Bytes of in-order payload from the guest, and bytes of payload that the guest has acknowledged.
    var bytesFromGuest: UInt64 = 0
    var bytesToGuest: UInt64 = 0

    /// The slot of the next connection on the list that starts at `TCP.dirtyHead`.
    var dirtyNext: UInt32 = SlotList.none
    /// The neighbours in the list of half-open connections, while the connection is on that list.
    var halfOpenLinks = SlotLinks()
    /// The shard's identifier for the host socket.
    var socket = Effect.noSocket
    /// The address that the host socket connects to, or the address of the client of a published port.
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

/// A connection in its table: a pointer that is valid until the connection is removed.
typealias TCPFlow = UnsafeMutablePointer<TCPConnection>

/// Properties computed from several parts of a connection. They are members of the pointer, because a computed property
/// of the value would copy several hundred bytes.
extension UnsafeMutablePointer<TCPConnection> {
    /// The acknowledgement number to send. It covers all in-order data, or all but the last byte if that is withheld.
    /// While the far end is silent, the number stays where it was when the silence was found.
    @inline(__always) var acknowledgement: SequenceNumber {
        if pointee.marks.isDisjoint(with: [.withholds, .silent]) { return pointee.receive.nxt }
        return pointee.marks.contains(.silent)
            ? pointee.watch.acknowledged : pointee.receive.nxt.advanced(by: -1)
    }

    /// Whether the guest may still send data.
    @inline(__always) var guestMaySend: Bool {
        let state = pointee.state
        return state == .established || state == .finWait1 || state == .finWait2
    }

    /// Whether the receive window that is advertised to the guest may grow.
    @inline(__always) var isWindowOpen: Bool { guestMaySend || pointee.state == .synReceived }

    /// Whether data may still be sent to the guest.
    @inline(__always) var hostMaySend: Bool {
        let state = pointee.state
        return state == .established || state == .closeWait
    }

    /// Whether keepalive probes are sent to a silent guest.
    @inline(__always) var keepsAlive: Bool {
        switch pointee.state {
        case .established, .closeWait, .finWait2: true
        default: false
        }
    }

    /// Whether the host's kernel can be queried about the far end, and a query makes sense: the connection has a host
    /// socket, not a built-in service, and is open in at least one direction.
    @inline(__always) var isWatchable: Bool {
        let marks = pointee.marks
        guard marks.contains(.socket), !marks.contains(.service) else { return false }
        switch pointee.state {
        case .established, .finWait1, .finWait2, .closeWait: return true
        default: return false
        }
    }
}
