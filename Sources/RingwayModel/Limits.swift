/// All limits of a network: the default, the flag that sets it, and the effect of reaching it.
public struct Limits: Sendable, Equatable {
    /// TCP connections, UDP mappings and pings of a guest together. Beyond it new flows are dropped and counted.
    public var flowsPerGuest = 65_536
    /// Connections whose TCP handshake is in progress. The limit applies separately to those that the guest opens and
    /// to those of clients of published ports. Beyond it the oldest one ends; the guest's TCP repeats its SYN.
    public var halfOpenConnects = 4_096
    /// UDP mappings (a guest's address and port). Beyond it the mapping with the longest idle time is evicted; mappings
    /// without any reply are evicted first.
    public var udpMappings = 8_192
    /// Peers of UDP mappings and pings that have more than one peer. Beyond it the least recently used peer of a
    /// mapping with the most peers is evicted. The default does not enlarge the flow table of a guest with one queue:
    /// the table's size is a power of two.
    public var udpPeers = 24_576
    /// Ping sockets. Beyond it the mapping with the longest idle time is evicted.
    public var pingMappings = 256
    /// DNS queries in progress. Beyond it new queries are dropped; the guest's resolver repeats them.
    public var nameQueries = 4_096
    /// Datagrams being reassembled. Beyond it the oldest is dropped.
    public var fragments = 64
    /// Spliced connections to published ports per shard. Beyond it connections use the link.
    public var splicedConnectionsPerShard = 4_096
    /// Bytes of frame buffers per shard; pages are touched only when needed. When all are in use, reading from the link
    /// and from host sockets pauses.
    public var poolBytesPerShard = 256 << 20
    /// Unsent bytes from the guest per TCP connection while its host socket is slow; limits the receive window.
    public var unsentBytesPerFlow = 4 << 20
    /// Out-of-order TCP bytes held per connection. Beyond it such data is dropped and the guest retransmits it.
    public var outOfOrderBytesPerFlow = 1 << 20

    /// Guests on one network at a time. Beyond it new links are refused.
    public var guestsPerNetwork = 64
    /// IPv6 source addresses per guest on a network with several guests. Beyond it frames are dropped.
    public var addressesPerGuest = 16
    /// Owners of published ports with a lease, after which their ports are removed. Beyond it a lease is refused.
    public var forwardOwners = 1_024

    /// Host ports per agent: as many for the ports that the agent publishes, and as many again for `--follow-ports`.
    public var portsPerAgent = 1_024
    /// Queues, and therefore threads, of an agent's guest; zero for the number of shards. An agent that offers more is
    /// limited to this number.
    public var queuesPerGuest = 0

    /// Idle timeout of a UDP mapping, seconds: without a datagram from the guest or from a solicited peer (RFC 4787
    /// REQ-5: at least two minutes).
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
            name: "flows per guest", defaultValue: "65536", flag: "--max-flows", counter: "droppedTableFull",
            atTheBound: "a new flow is dropped"),
        Row(
            name: "half-open connects", defaultValue: "4096", flag: "--max-half-open",
            counter: "tcpHalfOpenEvicted", atTheBound: "the oldest one ends, the guest repeats its SYN"),
        Row(
            name: "UDP mappings", defaultValue: "8192", flag: "--max-udp-mappings", counter: "udpMappingsEvicted",
            atTheBound: "one without a reply ends, else the one idle for longest"),
        Row(
            name: "peers of UDP mappings and pings that have several", defaultValue: "24576",
            flag: "--max-udp-peers", counter: "udpPeersEvicted",
            atTheBound: "the least recently used peer of a mapping with most is evicted"),
        Row(
            name: "ping mappings", defaultValue: "256", flag: "--max-ping-mappings",
            counter: "pingMappingsEvicted", atTheBound: "the mapping idle for longest ends"),
        Row(
            name: "DNS exchanges", defaultValue: "4096", flag: "--max-name-queries", counter: "dnsRefused",
            atTheBound: "the query is dropped, the guest repeats it"),
        Row(
            name: "fragmented datagrams", defaultValue: "64", flag: "--max-fragments", counter: "droppedFragment",
            atTheBound: "the oldest is dropped"),
        Row(
            name: "spliced connections per shard", defaultValue: "4096", flag: "--max-spliced",
            counter: "splicedBeyondLimit", atTheBound: "a connection takes the interface"),
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
            name: "IPv6 addresses per guest", defaultValue: "16", flag: "--max-addresses",
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

    /// Large buffers of a shard: half of the pool.
    public var largeBuffers: Int { max(128, min(0x7F_FFFE, poolBytesPerShard / 2 / 69_632)) }
    /// Small buffers of a shard: the other half.
    public var smallBuffers: Int { max(1_024, min(0x7F_FFFE, poolBytesPerShard / 2 / 2_048)) }
}
