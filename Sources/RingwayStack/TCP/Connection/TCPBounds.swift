/// The constants of the stack's TCP, each with its unit and source.
public enum TCPBounds {
    /// RFC 6298 §2.1, nanoseconds.
    public static var initialRetransmission: UInt64 { 1_000_000_000 }
    /// RFC 6298 §2.4. The link itself loses nothing, so a late acknowledgement is waiting in a long queue, and a
    /// retransmission would lengthen that queue.
    public static var shortestRetransmission: UInt64 { 1_000_000_000 }
    /// RFC 6298 §2.5.
    public static var longestRetransmission: UInt64 { 60_000_000_000 }
    /// Consecutive retransmissions before the connection is aborted, as Linux's tcp_retries2.
    public static var retransmissionLimit: UInt8 { 15 }
    /// The same for SYN and SYN-ACK, as Linux's tcp_synack_retries.
    public static var handshakeLimit: UInt8 { 6 }
    /// The same for the SYN to a guest on behalf of a client of a published port, which is connected already: 7 s in
    /// all.
    public static var publishedHandshakeLimit: UInt8 { 2 }
    /// The delay after which a client is watched for an early close while its guest has not answered, nanoseconds: most
    /// answers come sooner.
    public static var clientWatch: UInt64 { 100_000_000 }
    /// Bytes. The link is not a shared network: no competing traffic needs fairness, and a loss is an overflow of the
    /// guest's own queue.
    public static var initialCongestionWindow: UInt32 { 1 << 20 }
    public static var largestCongestionWindow: UInt32 { 16 << 20 }
    /// The initial receive window, bytes: the largest that needs no scaling.
    public static var initialReceiveLimit: UInt32 { 65_535 }
    /// The minimum window, bytes, even if everything is reserved: one to three full segments, depending on the number
    /// of connections that share the rest.
    public static var leastWindow: ClosedRange<Int> { 1_460...4_380 }
    /// The stack's window scale: windows up to 16 MiB in units of 256 bytes.
    public static var windowScale: UInt8 { 8 }
    /// RFC 9293 §3.4.2 requires two MSL; the segment lifetime on this link is bounded by its queues, far below half a
    /// second.
    public static var timeWait: UInt64 { 1_000_000_000 }
    /// Idle time before keepalive probes; RFC 9293 §3.8.4 recommends two hours for the open Internet.
    public static var keepaliveIdle: UInt64 { 120_000_000_000 }
    public static var keepaliveInterval: UInt64 { 15_000_000_000 }
    public static var keepaliveLimit: UInt8 { 8 }
    /// RFC 5961 §7: the minimum interval of challenge ACKs per connection.
    public static var challengeInterval: UInt64 { 5_000_000 }
    /// A SYN with a smaller hop limit belongs to a traceroute, and its connect uses that hop limit.
    public static var fewHops: UInt8 { 32 }
    /// The size above which a pushed super-frame is usually followed by more data.
    public static var bulk: Int { 60_000 }
    /// Bytes by which rounding to the window scale may exceed the receive limit.
    public static var edgeSlack: Int { 16_384 }
    /// Payloads up to this size are copied out of a large buffer, which they would pin.
    public static var copybreak: Int { 1_792 }
    /// Payloads below this size are appended to the last unsent buffer if it has room, so that many small segments
    /// cannot pin many large buffers.
    public static var coalesceBelow: Int { 16_384 }
}
