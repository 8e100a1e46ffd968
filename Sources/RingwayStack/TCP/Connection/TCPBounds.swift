/// The constants of the stack's TCP.
public enum TCPBounds {
    /// The retransmission timeout before the first round-trip sample (RFC 6298 §2.1), nanoseconds.
    public static var initialRetransmission: UInt64 { 1_000_000_000 }
    /// The lower bound of the retransmission timeout (RFC 6298 §2.4), nanoseconds. The link itself loses nothing. A
    /// late acknowledgement therefore waits in a long queue, which a retransmission would only lengthen.
    public static var shortestRetransmission: UInt64 { 1_000_000_000 }
    /// The upper bound of the retransmission timeout (RFC 6298 §2.5), nanoseconds.
    public static var longestRetransmission: UInt64 { 60_000_000_000 }
    /// Consecutive retransmissions before the connection is aborted, as Linux's tcp_retries2.
    public static var retransmissionLimit: UInt8 { 15 }
    /// Consecutive retransmissions of SYN-ACK before the connection is aborted; Linux's tcp_synack_retries is 5.
    public static var handshakeLimit: UInt8 { 6 }
    /// Consecutive retransmissions of the SYN to the guest, for a client of a published port, before the connection is
    /// aborted. The client is connected already; with this limit it waits for the guest 7 s at most.
    public static var publishedHandshakeLimit: UInt8 { 2 }
    /// The delay, nanoseconds, after which a client of a published port is watched for an early close, if the guest has
    /// not answered the SYN by then. Most guests answer sooner and cause no watch.
    public static var clientWatch: UInt64 { 100_000_000 }
    /// The initial congestion window, bytes. It is large because the link is not a shared network: no competing traffic
    /// needs fairness, and a loss is an overflow of the guest's own queue.
    public static var initialCongestionWindow: UInt32 { 1 << 20 }
    /// The congestion window stops growing when it has reached this size, bytes.
    public static var largestCongestionWindow: UInt32 { 16 << 20 }
    /// The initial receive window, bytes: the largest that needs no scaling.
    public static var initialReceiveLimit: UInt32 { 65_535 }
    /// The bounds of the minimum receive window, bytes, which every connection gets even if the pool's budget for
    /// windows is used up (`WindowReservation.leastWindow`): one to three full segments.
    public static var leastWindow: ClosedRange<Int> { 1_460...4_380 }
    /// The stack's window scale: windows up to 16 MiB in units of 256 bytes.
    public static var windowScale: UInt8 { 8 }
    /// The time that a connection stays in TIME-WAIT, nanoseconds. RFC 9293 §3.6.1 requires two MSL. On this link a
    /// segment's lifetime is bounded by the link's queues, far below half a second.
    public static var timeWait: UInt64 { 1_000_000_000 }
    /// Idle time before keepalive probes, nanoseconds. The two hours of RFC 9293 §3.8.4 are meant for paths across
    /// the Internet.
    public static var keepaliveIdle: UInt64 { 120_000_000_000 }
    /// The time between keepalive probes, nanoseconds.
    public static var keepaliveInterval: UInt64 { 15_000_000_000 }
    /// Unanswered keepalive probes before the connection is aborted.
    public static var keepaliveLimit: UInt8 { 8 }
    /// The minimum interval of challenge ACKs per connection, nanoseconds (RFC 5961 §7).
    public static var challengeInterval: UInt64 { 5_000_000 }
    /// A SYN with a smaller hop limit is taken for part of a traceroute, and the host socket connects with that hop
    /// limit.
    public static var fewHops: UInt8 { 32 }
    /// PSH is ignored in segments with this many bytes of payload or more: they are part of a bulk transfer, and more
    /// data usually follows.
    public static var bulk: Int { 60_000 }
    /// Rounding the window up to the window scale moves its right edge forward. The window is rounded down instead once
    /// it exceeds, together with the unsent payload, `ReceiveSide.limit` by more than this many bytes.
    public static var edgeSlack: Int { 16_384 }
    /// Payloads up to this size are copied out of a large buffer, which they would pin.
    public static var copybreak: Int { 1_792 }
    /// Payloads below this size are appended to the last unsent buffer if it has room, so that many small segments
    /// cannot pin many large buffers.
    public static var coalesceBelow: Int { 16_384 }
}
