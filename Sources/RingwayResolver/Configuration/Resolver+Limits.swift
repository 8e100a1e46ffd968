extension Resolver {
    /// The limits of a resolver. What is refused, dropped or closed because of them is counted in `Statistics`.
    public struct Limits: Sendable, Equatable {
        /// The most queries that wait for a nameserver. At this limit the oldest query of the guest with the most
        /// queries gets SERVFAIL if the new query's guest would still have fewer; otherwise the new query does.
        public var outstandingQueries = 4096

        /// The most bytes of waiting queries. Guests share them like `outstandingQueries`.
        public var outstandingBytes = 16 << 20

        /// The most connections from clients. At this limit a new connection replaces one of the guest with the most
        /// connections, if its own guest would still have fewer: the connection idle for longest or, if none is idle,
        /// the one without traffic for longest. Otherwise the new connection replaces an idle one of its own guest. If
        /// none is idle, the new connection is closed.
        public var clientStreams = 256

        /// The most connections to nameservers. Guests share them like `outstandingQueries`. A query that gets none
        /// is tried by UDP.
        public var upstreamStreams = 256

        /// The most queries of one connection that may wait at the same time. At this limit no further query is read
        /// from the connection until an earlier one is answered.
        public var queriesPerStream = 64

        /// The most bytes of answers that a client may leave unread. If there are more, its connection is closed;
        /// while there are more than an eighth of this limit, no further query is read from the connection.
        public var unreadBytesPerStream = 512 << 10

        /// Idle timeout of a client's connection without waiting queries (RFC 7766 §6.2.3).
        public var clientStreamIdle: Duration = .seconds(30)

        /// Idle timeout of connections to nameservers.
        public var upstreamStreamIdle: Duration = .seconds(10)

        /// Timeout of the last attempt; `nil` for that of `options timeout:` in `resolv.conf`, which is 5 s by default.
        public var timeout: Duration?

        /// The number of rounds through the list of nameservers; `nil` for that of `options attempts:`, which is 2 by
        /// default.
        public var attempts: Int?

        /// The time without a response after which the next nameserver is asked, too. It doubles with each round, and
        /// is twice as long over TCP. A late response of an earlier server is still accepted.
        public var retryInterval: Duration = .milliseconds(1500)

        /// The timeout of a query, regardless of the number of nameservers.
        public var longestWait: Duration = .seconds(30)

        /// The default limits.
        public init() {}
    }
}
