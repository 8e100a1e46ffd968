/// Every bound of a network, in one place: the default, the flag that changes it and what happens when it is reached.
public struct Limits: Sendable, Equatable {
    /// TCP flows, UDP mappings and pings of a guest together. Beyond it a new one is dropped and counted.
    public var flowsPerGuest = 65_536
    /// TCP connects to the host under way. Beyond it the oldest one ends; the guest's TCP repeats its SYN.
    public var halfOpenConnects = 4_096
    /// UDP mappings (a guest's address and port). Beyond it one that never had an answer goes, the one idle for longest
    /// first, and where all have had one, the one idle for longest.
    public var udpMappings = 8_192
    /// Addresses that UDP mappings and pings with more than one peer have sent to, and which may answer. Beyond it the one
    /// sent to longest ago goes, of a mapping that has most. The number is such that the table of flows need not grow for it.
    public var udpPeers = 24_576
    /// Ping sockets. Beyond it the one idle for longest goes.
    public var pingMappings = 256
    /// DNS exchanges under way. Beyond it the query is dropped; the guest's resolver repeats it.
    public var nameQueries = 4_096
    /// Datagrams being reassembled. Beyond it the oldest goes.
    public var fragments = 64
    /// Connections to published ports that a shard carries around the link. Beyond it they take the link.
    public var splicedConnectionsPerShard = 4_096
    /// Bytes of frame buffers a shard may use; pages are touched only when needed. When they are all in use, reading
    /// from the link and from host sockets waits.
    public var poolBytesPerShard = 256 << 20
    /// Bytes from the guest that one TCP flow may park while its host socket is slow; bounds the window it advertises.
    public var unsentBytesPerFlow = 4 << 20
    /// Bytes of out-of-order TCP data held for one flow. Beyond it such data is dropped and the guest sends it again.
    public var outOfOrderBytesPerFlow = 1 << 20

    /// Guests on one network at a time. Beyond it a link is turned away.
    public var guestsPerNetwork = 64
    /// IPv6 addresses that a guest on a network with others may send from. Beyond it frames are dropped.
    public var addressesPerGuest = 16
    /// Owners of published ports that may have leases. Beyond it a lease is refused.
    public var forwardOwners = 1_024

    /// Ports of the host that an agent may have for its guest, of its own and by `--follow-ports`, each.
    public var portsPerAgent = 1_024
    /// Queues, and so threads, that an agent's guest gets: zero for as many as there are shards. An agent that offers more
    /// is told to use so many.
    public var queuesPerGuest = 0

    /// Seconds without a datagram, from the guest or a peer that it has sent to, after which a UDP mapping ends, answered or not
    /// (RFC 4787 REQ-5: two minutes at least).
    public var udpTimeout = 180
    /// Seconds that a DNS query may wait for its answer, from the gateway or from another server.
    public var dnsTimeout = 30
    /// Seconds without an echo request after which a ping mapping ends (RFC 5508 REQ-2: one minute at least).
    public var icmpTimeout = 60

    public init() {}

    /// One row of the table that `--help` and README show.
    public struct Row: Sendable {
        public let name: String
        public let defaultValue: String
        public let flag: String
        public let counter: String
        public let atTheBound: String
    }

    /// The bounds as a table.
    public static let table: [Row] = [
        Row(
            name: "flows per guest", defaultValue: "65536", flag: "--max-flows", counter: "droppedTableFull",
            atTheBound: "a new flow is dropped"),
        Row(
            name: "half-open connects", defaultValue: "4096", flag: "--max-half-open",
            counter: "tcpHalfOpenEvicted", atTheBound: "the oldest one ends, the guest repeats its SYN"),
        Row(
            name: "UDP mappings", defaultValue: "8192", flag: "--max-udp-mappings", counter: "udpMappingsEvicted",
            atTheBound: "one without an answer ends, else the one idle for longest"),
        Row(
            name: "peers of UDP mappings and pings that have several", defaultValue: "24576",
            flag: "--max-udp-peers", counter: "udpPeersEvicted",
            atTheBound: "the one sent to longest ago goes, of a mapping with most"),
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
            name: "parked bytes per flow", defaultValue: "4M", flag: "--park-size", counter: "tcpParkedOctets",
            atTheBound: "the flow's window closes"),
        Row(
            name: "reordered bytes per flow", defaultValue: "1M", flag: "--reorder-size",
            counter: "tcpOutOfOrderDropped", atTheBound: "data out of order is dropped, the guest repeats it"),
        Row(
            name: "guests per network", defaultValue: "64", flag: "--max-guests", counter: "guestsRefused",
            atTheBound: "a link is turned away"),
        Row(
            name: "IPv6 addresses per guest", defaultValue: "16", flag: "--max-addresses",
            counter: "droppedSpoofedSource", atTheBound: "frames from further ones are dropped"),
        Row(
            name: "queues of an agent's guest", defaultValue: "--shards", flag: "--max-queues",
            counter: "queuesRefused", atTheBound: "the agent uses the first ones"),
        Row(
            name: "owners of published ports with leases", defaultValue: "1024", flag: "--max-owners",
            counter: "told in the answer", atTheBound: "a lease is refused"),
        Row(
            name: "ports that an agent publishes or has follow", defaultValue: "1024", flag: "--max-agent-ports",
            counter: "agentPortsBeyondLimit", atTheBound: "a port is refused"),
        Row(
            name: "silence of a UDP mapping, answered or not", defaultValue: "180s", flag: "--udp-timeout",
            counter: "udpMappingsExpired", atTheBound: "the mapping ends"),
        Row(
            name: "wait for the answer to a DNS query", defaultValue: "30s", flag: "--dns-timeout",
            counter: "dnsUnanswered", atTheBound: "SERVFAIL from the gateway; a mapping to another server ends"),
        Row(
            name: "silence of the guest on a ping mapping", defaultValue: "60s", flag: "--icmp-timeout",
            counter: "pingMappings", atTheBound: "the mapping ends"),
    ]

    /// Large buffers of a shard: half of the pool.
    public var largeBuffers: Int { max(128, min(0x7F_FFFE, poolBytesPerShard / 2 / 69_632)) }
    /// Small buffers of a shard: the other half.
    public var smallBuffers: Int { max(1_024, min(0x7F_FFFE, poolBytesPerShard / 2 / 2_048)) }
}
