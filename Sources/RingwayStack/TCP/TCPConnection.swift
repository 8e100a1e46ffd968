public import RingwayStorage
public import RingwayWire

/// The states of RFC 9293 §3.3.2, as a gateway meets them, and one of its own: `connecting`, while the guest's SYN
/// waits for the host socket to connect. LISTEN and CLOSED have no connection to be the state of.
public enum TCPState: UInt8, Sendable, BitwiseCopyable {
    /// The guest's SYN has come, the host socket is connecting: nothing is said to the guest until it has.
    case connecting
    /// We sent SYN for a connection that the host side opened.
    case synSent
    /// SYN-ACK is sent, its acknowledgement awaited.
    case synReceived
    case established
    /// Our FIN is sent (the host ended), unacknowledged; the guest still sends.
    case finWait1
    /// Our FIN is acknowledged; the guest still sends.
    case finWait2
    /// The guest's FIN has come; the host still sends.
    case closeWait
    /// Both FINs have crossed, ours is unacknowledged.
    case closing
    /// The guest ended first, our FIN is unacknowledged.
    case lastAck
    /// Both directions have ended; stray segments are still answered for a while.
    case timeWait
    /// The guest has nothing more to hear; octets it sent still go to the host.
    case draining
}

/// One TCP conversation: the guest's side as a complete TCP, the host's side as a socket that someone else drives.
///
/// ## Theory of operation
///
/// *Guest to host.* In-order payload is chained on `parked` (the lease is the queue's node, nothing is copied) and the
/// owner is asked to send it; what the socket takes is released, and `rcvEdge`, the right edge of the window the guest
/// was told, moves on. The edge never moves back, and no octet left of it is ever dropped: it is parked. The octets
/// promised by all edges of a shard are added up (`Stack.committed`), so that a window grows only while the pool can
/// keep the promise. Out-of-order payload rests on `outOfOrder`, sorted, and is reported by SACK (RFC 2018).
///
/// *Host to guest.* The owner receives straight into a lease, behind headroom, at most as much as the guest's window
/// allows. The headers go into the headroom, the frame goes out as one super-frame, and the lease stays on `unacked`
/// until the guest has acknowledged it. A guest may close its window while a receive is under way (RFC 9293 §3.8.6): what
/// that receive brings waits at the end of `unacked`, beyond `sndNxt`, and nothing more is received. Loss is found by duplicate acknowledgements and SACK (RFC 5681, 6675) or by the
/// retransmission timer (RFC 6298), and sent again from the lease.
///
/// *Ends.* FIN from the guest shuts the socket's sending side down after the last parked octet; end of file on the
/// socket becomes FIN after the last octet sent; RST and its kin cross at once in either direction.
@frozen
public struct TCPConnection: BitwiseCopyable {
    /// Facts that are true or not.
    @frozen
    public struct Marks: OptionSet, BitwiseCopyable, Sendable {
        public let rawValue: UInt32
        @inlinable public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// On the list of connections to look at when the turn ends.
        public static var dirty: Marks { Marks(rawValue: 1 << 0) }
        /// The guest is owed an acknowledgement.
        public static var acknowledge: Marks { Marks(rawValue: 1 << 1) }
        /// The owner has a send under way.
        public static var sending: Marks { Marks(rawValue: 1 << 2) }
        /// The owner has a receive under way.
        public static var receiving: Marks { Marks(rawValue: 1 << 3) }
        /// The guest's FIN is received, all before it too.
        public static var guestFinished: Marks { Marks(rawValue: 1 << 4) }
        /// The host side reached its end of file.
        public static var hostFinished: Marks { Marks(rawValue: 1 << 5) }
        /// Our FIN is sent; it is the octet before `sndNxt`.
        public static var finSent: Marks { Marks(rawValue: 1 << 6) }
        /// The owner was asked to shut the socket's sending side down.
        public static var shutDown: Marks { Marks(rawValue: 1 << 7) }
        /// The host side opened the connection.
        public static var openedByHost: Marks { Marks(rawValue: 1 << 8) }
        /// Window scaling is agreed (RFC 7323 §2.2).
        public static var scaling: Marks { Marks(rawValue: 1 << 9) }
        /// The guest permits SACK.
        public static var sack: Marks { Marks(rawValue: 1 << 10) }
        /// Loss recovery is under way until `recover` is acknowledged.
        public static var recovering: Marks { Marks(rawValue: 1 << 11) }
        /// The loss was found by the retransmission timer.
        public static var timedOut: Marks { Marks(rawValue: 1 << 12) }
        /// A host socket exists.
        public static var socket: Marks { Marks(rawValue: 1 << 13) }
        /// A round trip is being measured.
        public static var timing: Marks { Marks(rawValue: 1 << 14) }
        /// The guest's FIN came out of order and waits at `finSequence`.
        public static var finPending: Marks { Marks(rawValue: 1 << 15) }
        /// The acknowledgement owed is a challenge or duplicate and must not be put off.
        public static var urgent: Marks { Marks(rawValue: 1 << 16) }
        /// The owner watches the socket for failure.
        public static var watched: Marks { Marks(rawValue: 1 << 18) }
        /// The flow table leads here no more: only the host's side is left.
        public static var detached: Marks { Marks(rawValue: 1 << 19) }
        /// The byte before `urgentEnd` is urgent, and the host has not got it yet.
        public static var urgentToHost: Marks { Marks(rawValue: 1 << 25) }
        /// The next byte that the host side gives is urgent.
        public static var urgentToGuest: Marks { Marks(rawValue: 1 << 26) }
        /// The client has ended its side before the guest has answered.
        public static var deserted: Marks { Marks(rawValue: 1 << 27) }
        /// The last byte of the guest's is not acknowledged until the far end has it.
        public static var withholds: Marks { Marks(rawValue: 1 << 21) }
        /// A segment of the guest's has come that no acknowledgement was sent for, because its last byte is withheld.
        public static var deferred: Marks { Marks(rawValue: 1 << 22) }
        /// The far end does not answer: nor do we.
        public static var silent: Marks { Marks(rawValue: 1 << 23) }
        /// A keepalive probe of the guest's waits for a sign of the far end.
        public static var probed: Marks { Marks(rawValue: 1 << 24) }
        /// What waits for a sign of the far end.
        static var awaitsPeer: Marks { [.withholds, .silent, .probed] }
        /// The guest's window has no room for the end of `unacked`.
        public static var heldBack: Marks { Marks(rawValue: 1 << 20) }
        /// It is not certain that the guest has the address, and there is another way: given up at the first timeout, or
        /// at the second.
        public static var trial: Marks { Marks(rawValue: 1 << 21) }
        public static var longTrial: Marks { Marks(rawValue: 1 << 22) }
        /// The host side is a built-in service.
        public static var service: Marks { Marks(rawValue: 1 << 17) }
    }

    public var key: FlowKey
    public var state: TCPState
    /// What the guest adds to its window field, and what we add to ours.
    public var sendScale: UInt8 = 0
    public var receiveScale: UInt8 = 0
    public var duplicateAcknowledgements: UInt8 = 0
    public var retransmissions: UInt8 = 0
    public var keepaliveProbes: UInt8 = 0
    /// Differentiated services of the segments from the guest and of those to it (RFC 2474), in place, without ECN.
    public var classFromGuest: UInt8 = 0
    public var classToGuest: UInt8 = 0
    /// Bytes of options in every segment to the guest: those of the timestamps where they are agreed, or none.
    public var optionLength: UInt8 = 0
    /// The largest payload of one segment to the guest: what it takes, less the options of every segment (RFC 6691).
    public private(set) var segmentSize: UInt16 = 536
    /// The largest payload of one frame to the guest.
    public private(set) var superFramePayload: UInt32 = 536
    public var marks: Marks = []

    // Toward the guest (SND.* of RFC 9293 §3.3.1).
    public var sndUna = SequenceNumber(0)
    public var sndNxt = SequenceNumber(0)
    public var sndWindow: UInt32 = 0
    /// The largest window the guest ever offered.
    public var sndWindowMaximum: UInt32 = 0
    public var sndWl1 = SequenceNumber(0)
    public var sndWl2 = SequenceNumber(0)
    /// What the guest has not acknowledged, and behind it, from `sndNxt` on, what it had no room for yet.
    public var unacked = LeaseQueue()
    /// Bytes at the end of `unacked` that were not sent yet.
    public var heldBack: UInt32 = 0
    public var congestionWindow: UInt32
    public var slowStartThreshold: UInt32 = .max
    /// Recovery ends when this is acknowledged.
    public var recover = SequenceNumber(0)
    /// What lies left of this and is not selectively acknowledged is taken for lost.
    public var lossEdge = SequenceNumber(0)
    /// The next lost octet to send again.
    public var retransmitNext = SequenceNumber(0)
    public var scoreboard = Scoreboard()

    // From the guest (RCV.*).
    public var rcvNxt = SequenceNumber(0)
    /// The right edge of the window the guest was told. Never moves back.
    public var rcvEdge = SequenceNumber(0)
    public var initialReceive = SequenceNumber(0)
    public var finSequence = SequenceNumber(0)
    /// Behind the guest's urgent byte.
    public var urgentEnd = SequenceNumber(0)
    public var parked = LeaseQueue()
    /// The first buffer of those that came before their turn.
    public var outOfOrder = Lease.none
    public var outOfOrderOctets: UInt32 = 0
    /// The start of the out-of-order block that arrived last, to be reported first (RFC 2018 §4).
    public var latestBlock = SequenceNumber(0)
    /// What `parked` may grow to now; doubles while the host keeps up.
    public var parkTarget: UInt32
    /// Octets the host took since `parkTarget` last grew.
    public var takenSinceGrowth: UInt32 = 0

    /// Meaningful where every segment has them; see `optionLength`.
    public var timestamps = Timestamps()

    // Time, in monotonic nanoseconds; zero means "not set".
    public var smoothedRoundTrip: UInt64 = 0
    public var roundTripVariation: UInt64 = 0
    public var retransmissionTimeout: UInt64
    public var timedSequence = SequenceNumber(0)
    public var timedAt: UInt64 = 0
    public var retransmitAt: UInt64 = 0
    public var probeAt: UInt64 = 0
    public var endAt: UInt64 = 0
    public var heardAt: UInt64 = 0
    /// When the wheel will look at this connection.
    public var timerAt: UInt64 = 0
    public var probeInterval: UInt64 = 0
    public var challengedAt: UInt64 = 0

    // What the conversation has come to, in octets: those taken in order, and those acknowledged.
    public var octetsFromGuest: UInt64 = 0
    public var octetsToGuest: UInt64 = 0

    /// What is known of the far end.
    var watch: PeerWatch

    public var dirtyNext: UInt32 = .max
    /// The place among the connections whose opening is under way.
    public var halfOpenLinks = AgeLinks()
    /// The owner's own name for the host socket.
    public var socket = Effect.noSocket
    /// Where the host socket connects to, or the client that connected to us.
    public var hostAddress: TransportAddress

    init(key: FlowKey, state: TCPState, hostAddress: TransportAddress, now: UInt64 = 0) {
        self.key = key
        self.state = state
        self.hostAddress = hostAddress
        congestionWindow = TCPBounds.initialCongestionWindow
        parkTarget = TCPBounds.initialParkTarget
        retransmissionTimeout = TCPBounds.initialRetransmission
        watch = PeerWatch(now: now)
    }

    /// Sets the largest payload of a segment, and with it that of a frame: as many whole segments as an IP packet of 65,535
    /// bytes holds.
    mutating func setSegmentSize(_ size: UInt16) {
        segmentSize = size
        let room = 65_535 - (key.remote.isIPv4 ? 40 : 60) - UInt32(optionLength)
        superFramePayload = max(1, room / UInt32(size)) * UInt32(size)
    }
}

/// What follows from a connection's fields, asked of its address: a property of the value itself would be given a copy of
/// several hundred octets to be computed from.
extension UnsafeMutablePointer<TCPConnection> {
    /// What we acknowledge: all that is in order, less what waits for a sign of the far end.
    @inline(__always) var acknowledgement: SequenceNumber {
        if pointee.marks.isDisjoint(with: [.withholds, .silent]) { return pointee.rcvNxt }
        return pointee.marks.contains(.silent) ? pointee.watch.acknowledged : pointee.rcvNxt.advanced(by: -1)
    }

    /// Octets sent and not acknowledged, FIN and SYN included.
    @inline(__always) var flight: UInt32 { UInt32(bitPattern: pointee.sndNxt.distance(from: pointee.sndUna)) }

    /// Whether data may still come from the guest.
    @inline(__always) var guestMaySend: Bool {
        let state = pointee.state
        return state == .established || state == .finWait1 || state == .finWait2
    }

    /// Whether data may still go to the guest.
    @inline(__always) var hostMaySend: Bool {
        let state = pointee.state
        return state == .established || state == .closeWait
    }
}

/// The constants of our TCP, each with its unit and source.
public enum TCPBounds {
    /// RFC 6298 §2.1, nanoseconds.
    public static var initialRetransmission: UInt64 { 1_000_000_000 }
    /// RFC 6298 §2.4. The link loses nothing by itself, so a late acknowledgement is one that waits in a long queue, and
    /// sending again would lengthen that queue.
    public static var shortestRetransmission: UInt64 { 1_000_000_000 }
    /// RFC 6298 §2.5.
    public static var longestRetransmission: UInt64 { 60_000_000_000 }
    /// Retransmissions in a row before the guest is given up, as Linux's tcp_retries2.
    public static var retransmissionLimit: UInt8 { 15 }
    /// The same for SYN and SYN-ACK, as Linux's tcp_synack_retries.
    public static var handshakeLimit: UInt8 { 6 }
    /// The same for the SYN of a client of a published port, who is connected already and waits: 7 s in all.
    public static var publishedHandshakeLimit: UInt8 { 2 }
    /// Nanoseconds for which the guest is waited for before its client is watched: most are answered sooner.
    public static var clientWatch: UInt64 { 100_000_000 }
    /// Octets. The link is not a shared network: nobody is there to be fair to, and a loss means the guest's own queue.
    public static var initialCongestionWindow: UInt32 { 1 << 20 }
    public static var largestCongestionWindow: UInt32 { 16 << 20 }
    /// Octets offered at first: all that an unscaled window can say.
    public static var initialParkTarget: UInt32 { 65_535 }
    /// Octets a window may always reach, whatever the pool has promised already: one to three full segments, depending
    /// on how many connections share what is left.
    public static var leastWindow: ClosedRange<Int> { 1_460...4_380 }
    /// Our window scale: windows up to 16 MiB in steps of 256 octets.
    public static var windowScale: UInt8 { 8 }
    /// RFC 9293 §3.4.2 asks for two MSL; the segments' life on this link is bounded by its queues, far below half a
    /// second.
    public static var timeWait: UInt64 { 1_000_000_000 }
    /// Silence after which the guest is probed; RFC 9293 §3.8.4 wants two hours on the open Internet.
    public static var keepaliveIdle: UInt64 { 120_000_000_000 }
    public static var keepaliveInterval: UInt64 { 15_000_000_000 }
    public static var keepaliveLimit: UInt8 { 8 }
    /// RFC 5961 §7: at most one challenge per connection in this time.
    public static var challengeInterval: UInt64 { 5_000_000 }
    /// A SYN with fewer hops left than this is out to find the way (traceroute), and its connect is given no more.
    public static var fewHops: UInt8 { 32 }
    /// A pushed super-frame of so many bytes is followed by more as a rule.
    public static var bulk: Int { 60_000 }
    /// Octets by which rounding to the window scale may take a window beyond what may be parked.
    public static var edgeSlack: Int { 16_384 }
    /// Payloads of at most this many octets are copied out of a large buffer, which they would pin.
    public static var copybreak: Int { 1_792 }
    /// Payloads below this are copied behind the last parked one where it has room, so that many small segments
    /// cannot pin many large buffers.
    public static var coalesceBelow: Int { 16_384 }
}
