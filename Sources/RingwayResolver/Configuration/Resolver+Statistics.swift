extension Resolver {
    /// What a resolver has done since it was made. Counters only grow, except those marked as gauges.
    public struct Statistics: Sendable, Equatable {
        /// Messages from clients, malformed ones included.
        public var queries: UInt64 = 0
        /// Answered from the built-in names.
        public var builtin: UInt64 = 0
        /// Of those, queries for names of the network's own zones that do not exist.
        public var nonexistent: UInt64 = 0
        /// Handed on to a nameserver.
        public var forwarded: UInt64 = 0
        /// Answers of nameservers handed back.
        public var answered: UInt64 = 0

        /// Tries whose nameserver stayed silent until the next one was asked or the query was given up.
        public var timeouts: UInt64 = 0
        /// Tries that a nameserver's host refused: ICMP unreachable, or a connection refused or broken.
        public var unreachable: UInt64 = 0
        /// SERVFAIL made here because no nameserver answered. A nameserver's own SERVFAIL is an answer.
        public var serverFailures: UInt64 = 0
        /// SERVFAIL and REFUSED of nameservers handed back, because none of them had a better answer.
        public var upstreamFailures: UInt64 = 0
        /// Queries that went on over TCP because no nameserver could be reached by UDP.
        public var retriedOverStream: UInt64 = 0
        /// Queries that went on over UDP because no nameserver could be reached by TCP.
        public var retriedOverDatagram: UInt64 = 0
        /// Answers shortened, with TC set, to what the client takes.
        public var truncated: UInt64 = 0
        /// Messages from a nameserver that did not answer what it was asked: dropped.
        public var mismatchedAnswers: UInt64 = 0

        /// Malformed queries: dropped, or their connection closed.
        public var droppedMalformed: UInt64 = 0
        /// Answers dropped because the shard's receive buffer was full.
        public var droppedClientFull: UInt64 = 0
        /// Answers that came after their client was gone.
        public var droppedClientGone: UInt64 = 0
        /// Queries answered SERVFAIL because too many were waiting, or held too many bytes.
        public var refusedOutstanding: UInt64 = 0
        /// Queries answered SERVFAIL because a guest with fewer of them under way asked.
        public var displaced: UInt64 = 0
        /// Queries that lost a try because the process had no descriptor left.
        public var lackedDescriptors: UInt64 = 0

        /// Connections from clients adopted.
        public var streamsOpened: UInt64 = 0
        /// Connections closed as they came because too many were open.
        public var streamsRefused: UInt64 = 0
        /// Connections closed because they were idle, at their time-out or to make room.
        public var streamsIdle: UInt64 = 0
        /// Connections with queries waiting that were closed because a guest with fewer connections came.
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

        /// The names of those that are gauges.
        public static let gauges: Set<String> = ["outstanding", "streams"]
    }
}
