/// The limits of a network. `table` names, for each, the option that sets it and the effect of reaching it.
public struct Limits: Sendable, Equatable {
    /// TCP connections of a guest, in equal parts for its queues. Beyond it a SYN from the guest is dropped, and a
    /// client of a published port is reset; both are counted.
    public var flowsPerGuest = 65_536
    /// TCP connections of a guest that are not established yet. The limit applies separately to those that the guest
    /// opens and to those of clients of published ports. Beyond it the oldest of the same kind ends: the guest gets
    /// no reply to its SYN and repeats it, and a client is reset.
    public var halfOpenConnects = 4_096
    /// UDP mappings per queue of a guest: one for each port of the guest, and one for each client of a published
    /// port. Beyond it the mapping idle for longest is evicted; mappings without any reply are evicted first.
    public var udpMappings = 8_192
    /// Peers of a guest, in equal parts for its queues. Only UDP mappings and pings with more than one peer count.
    /// Beyond it the least recently used peer of a mapping with the most peers is evicted. With one queue, the default
    /// does not enlarge the flow table: its size is a power of two, which leaves room for this many peers.
    public var udpPeers = 24_576
    /// Ping mappings per queue of a guest. Beyond it the mapping idle for longest is evicted.
    public var pingMappings = 256
    /// DNS queries in progress, for each queue of a guest and for the network. Beyond the limit of a queue new
    /// queries are dropped; beyond that of the network a query is answered with SERVFAIL.
    public var nameQueries = 4_096
    /// Datagrams being reassembled, per queue of a guest. Beyond it the oldest is dropped.
    public var fragments = 64
    /// Spliced connections per queue of a guest; each queue is served by one shard. Beyond it a connection to a
    /// published port uses the link, and a connection through the guest's agent is reset.
    public var splicedConnectionsPerShard = 4_096
    /// Bytes of buffers per shard, shared by its guests; the kernel allocates the memory at first use. When all
    /// buffers are in use, reading from links and from host sockets pauses.
    public var poolBytesPerShard = 256 << 20
    /// The most bytes per TCP connection that the guest may send before the host socket accepts them. Bounds the
    /// queued bytes and the receive window together.
    public var unsentBytesPerFlow = 4 << 20
    /// Bytes of the buffers that hold out-of-order data, per TCP connection. Beyond it such data is dropped and the
    /// guest retransmits it.
    public var outOfOrderBytesPerFlow = 1 << 20

    /// Guests on one network at a time. Beyond it a new guest is refused.
    public var guestsPerNetwork = 64
    /// IPv6 source addresses per queue of a guest, on a network that checks sources. Beyond it a new address replaces
    /// one that has not been used for 60 s; if there is none, frames from the new address are dropped.
    public var addressesPerGuest = 16
    /// Leases of owners of published ports; when a lease expires, its owner's ports are removed. Beyond the limit a
    /// new lease is refused.
    public var forwardOwners = 1_024

    /// Host ports per agent. The limit applies separately to ports that the agent publishes and to those of
    /// `--follow-ports`. Beyond it a port is not opened.
    public var portsPerAgent = 1_024
    /// Queues of an agent's guest; zero for the number of shards. An agent that offers more is limited to this
    /// number.
    public var queuesPerGuest = 0

    /// Idle timeout of a UDP mapping, seconds (RFC 4787 REQ-5: at least two minutes). It restarts with each datagram
    /// from the guest, from a peer that the guest has sent to, or from a client of a published port.
    public var udpTimeout = 180
    /// Timeout of a DNS query, to the gateway or to another server, seconds.
    public var dnsTimeout = 30
    /// Idle timeout of a ping mapping, seconds without an echo request (RFC 5508 REQ-2: at least one minute).
    public var icmpTimeout = 60

    public init() {}

    /// A row of the table in `--help` and in the documentation.
    public struct Row: Sendable {
        public let name: String
        public let defaultValue: String
        public let flag: String
        public let counter: String
        public let atTheBound: String
    }

    /// The limits as a table.
    public static let table: [Row] = [
        Row(
            name: "TCP connections per guest", defaultValue: "65536", flag: "--max-flows",
            counter: "droppedTableFull", atTheBound: "the guest's SYN is dropped, a client is reset"),
        Row(
            name: "half-open connects", defaultValue: "4096", flag: "--max-half-open",
            counter: "tcpHalfOpenEvicted", atTheBound: "the oldest one ends, the guest repeats its SYN"),
        Row(
            name: "UDP mappings per queue", defaultValue: "8192", flag: "--max-udp-mappings",
            counter: "udpMappingsEvicted", atTheBound: "one without a reply ends, else the one idle for longest"),
        Row(
            name: "peers of UDP mappings and pings that have several", defaultValue: "24576",
            flag: "--max-udp-peers", counter: "udpPeersEvicted",
            atTheBound: "the least recently used peer of a mapping with most is evicted"),
        Row(
            name: "ping mappings per queue", defaultValue: "256", flag: "--max-ping-mappings",
            counter: "pingMappingsEvicted", atTheBound: "the mapping idle for longest ends"),
        Row(
            name: "DNS exchanges", defaultValue: "4096", flag: "--max-name-queries", counter: "dnsRefused",
            atTheBound: "the query is dropped, the guest repeats it"),
        Row(
            name: "fragmented datagrams per queue", defaultValue: "64", flag: "--max-fragments",
            counter: "droppedFragment", atTheBound: "the oldest is dropped"),
        Row(
            name: "spliced connections per queue", defaultValue: "4096", flag: "--max-spliced",
            counter: "splicedBeyondLimit",
            atTheBound: "a connection takes the interface; one through an agent is reset"),
        Row(
            name: "pool bytes per shard", defaultValue: "256M", flag: "--pool-size",
            counter: "linkReadsStarved, receivesStarved", atTheBound: "reading waits until buffers come back"),
        Row(
            name: "unsent bytes per flow", defaultValue: "4M", flag: "--park-size", counter: "tcpParkedOctets",
            atTheBound: "the flow's window closes"),
        Row(
            name: "reordered bytes per flow", defaultValue: "1M", flag: "--reorder-size",
            counter: "tcpOutOfOrderDropped", atTheBound: "data out of order is dropped, the guest repeats it"),
        Row(
            name: "guests per network", defaultValue: "64", flag: "--max-guests", counter: "guestsRefused",
            atTheBound: "a link is refused"),
        Row(
            name: "IPv6 addresses per queue", defaultValue: "16", flag: "--max-addresses",
            counter: "droppedSpoofedSource", atTheBound: "frames from further ones are dropped"),
        Row(
            name: "queues of an agent's guest", defaultValue: "--shards", flag: "--max-queues",
            counter: "queuesRefused", atTheBound: "the agent uses the first ones"),
        Row(
            name: "owners of published ports with leases", defaultValue: "1024", flag: "--max-owners",
            counter: "in the response", atTheBound: "a lease is refused"),
        Row(
            name: "ports that an agent publishes or has follow", defaultValue: "1024", flag: "--max-agent-ports",
            counter: "agentPortsBeyondLimit", atTheBound: "a port is refused"),
        Row(
            name: "idle timeout of a UDP mapping, answered or not", defaultValue: "180s", flag: "--udp-timeout",
            counter: "udpMappingsExpired", atTheBound: "the mapping ends"),
        Row(
            name: "timeout of a DNS query", defaultValue: "30s", flag: "--dns-timeout",
            counter: "dnsUnanswered", atTheBound: "SERVFAIL from the gateway; a mapping to another server ends"),
        Row(
            name: "idle timeout of a ping mapping", defaultValue: "60s", flag: "--icmp-timeout",
            counter: "pingMappings", atTheBound: "the mapping ends"),
    ]

    /// The number of large buffers of a shard, 69,632 bytes each: half of the pool, and at least 128 buffers.
    public var largeBuffers: Int { max(128, min(0x7F_FFFE, poolBytesPerShard / 2 / 69_632)) }
    /// The number of small buffers of a shard, 2,048 bytes each: the other half, and at least 1,024 buffers.
    public var smallBuffers: Int { max(1_024, min(0x7F_FFFE, poolBytesPerShard / 2 / 2_048)) }
}
