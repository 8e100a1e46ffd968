extension Resolver {
    /// Counters since the resolver's creation. They only grow, except those marked as gauges.
    public struct Statistics: Sendable, Equatable {
        /// Messages from clients, malformed ones included.
        public var queries: UInt64 = 0
        /// Queries answered here, for built-in names and other names of the network's own zones.
        public var builtin: UInt64 = 0
        /// The part of `builtin` for nonexistent names of the network's own zones.
        public var nonexistent: UInt64 = 0
        /// Queries forwarded to a nameserver.
        public var forwarded: UInt64 = 0
        /// Answers of nameservers returned to clients.
        public var answered: UInt64 = 0

        /// Attempts without a response until the next nameserver was asked or the query failed.
        public var timeouts: UInt64 = 0
        /// Attempts that failed: no route, ICMP unreachable, or a TCP connection that could not be opened or was
        /// lost.
        public var unreachable: UInt64 = 0
        /// SERVFAIL generated here because no nameserver answered or could be asked. A nameserver's own SERVFAIL
        /// counts as an answer.
        public var serverFailures: UInt64 = 0
        /// SERVFAIL and REFUSED of nameservers returned to clients, because no nameserver had a better answer.
        public var upstreamFailures: UInt64 = 0
        /// Queries retried over TCP because no nameserver could be reached by UDP.
        public var retriedOverStream: UInt64 = 0
        /// Queries retried over UDP because no nameserver answered by TCP.
        public var retriedOverDatagram: UInt64 = 0
        /// Answers truncated, with TC set, to the client's size.
        public var truncated: UInt64 = 0
        /// Messages from a nameserver that were dropped because they did not match the query.
        public var mismatchedAnswers: UInt64 = 0

        /// Malformed queries. They were dropped, and a TCP connection with such a query was closed.
        public var droppedMalformed: UInt64 = 0
        /// Answers dropped because the shard had not read earlier ones, so that its socket was full.
        public var droppedClientFull: UInt64 = 0
        /// Answers dropped because the shard had closed its socket.
        public var droppedClientGone: UInt64 = 0
        /// Queries answered REFUSED because names are not forwarded.
        public var denied: UInt64 = 0
        /// Queries answered SERVFAIL because too many queries, or too many bytes of queries, were waiting.
        public var refusedOutstanding: UInt64 = 0
        /// Queries answered SERVFAIL in favour of a guest with fewer queries or bytes.
        public var displaced: UInt64 = 0
        /// Queries with an attempt that failed for lack of descriptors.
        public var lackedDescriptors: UInt64 = 0

        /// Connections from clients that were accepted.
        public var streamsOpened: UInt64 = 0
        /// Connections refused because too many were open.
        public var streamsRefused: UInt64 = 0
        /// Connections closed because they were idle, at the timeout or to make room.
        public var streamsIdle: UInt64 = 0
        /// Connections that were not idle, closed in favour of a guest with fewer connections.
        public var streamsDisplaced: UInt64 = 0
        /// Connections closed because their client did not read its answers.
        public var streamsOverflowed: UInt64 = 0
        /// Connections to nameservers not opened because too many were open.
        public var upstreamStreamsRefused: UInt64 = 0

        /// Times that `resolv.conf` was read.
        public var resolvConfReads: UInt64 = 0

        /// Gauge: queries waiting for a nameserver.
        public var outstanding: UInt64 = 0
        /// Gauge: connections from clients.
        public var streams: UInt64 = 0

        /// All zero.
        public init() {}

        /// The names of the gauges.
        public static let gauges: Set<String> = ["outstanding", "streams"]
    }
}
