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
    /// The same for the SYN of a client of a published port, which is connected already and waits: 7 s in all.
    public static var publishedHandshakeLimit: UInt8 { 2 }
    /// Nanoseconds without an answer of the guest's after which its client is watched: most answers come sooner.
    public static var clientWatch: UInt64 { 100_000_000 }
    /// Bytes. The link is not a shared network: there are no competitors to be fair to, and a loss means the guest's own queue.
    public static var initialCongestionWindow: UInt32 { 1 << 20 }
    public static var largestCongestionWindow: UInt32 { 16 << 20 }
    /// Bytes offered at first: all that an unscaled window can say.
    public static var initialReceiveLimit: UInt32 { 65_535 }
    /// Bytes a window may always reach, whatever is reserved already: one to three full segments, depending
    /// on how many connections share what is left.
    public static var leastWindow: ClosedRange<Int> { 1_460...4_380 }
    /// Our window scale: windows up to 16 MiB in steps of 256 bytes.
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
    /// A SYN with fewer hops left than this belongs to a traceroute, and its connect is given no more.
    public static var fewHops: UInt8 { 32 }
    /// A pushed super-frame of so many bytes is followed by more as a rule.
    public static var bulk: Int { 60_000 }
    /// Bytes by which rounding to the window scale may take a window beyond the receive limit.
    public static var edgeSlack: Int { 16_384 }
    /// Payloads of at most this many bytes are copied out of a large buffer, which they would pin.
    public static var copybreak: Int { 1_792 }
    /// Payloads below this are copied behind the last unsent one where it has room, so that many small segments
    /// cannot pin many large buffers.
    public static var coalesceBelow: Int { 16_384 }
}
