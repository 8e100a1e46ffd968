extension Resolver {
    /// The limits of a resolver. At each of them queries are refused or dropped, and counted in `Statistics`.
    public struct Limits: Sendable, Equatable {
        /// Queries that wait for a nameserver. Beyond it the oldest query of the guest with most gets SERVFAIL if the
        /// new query's guest has fewer, otherwise the new query does. The other limits on concurrent use are shared by
        /// guests in the same way.
        public var outstandingQueries = 4096

        /// Bytes of waiting queries. Beyond it a query gets SERVFAIL.
        public var outstandingBytes = 16 << 20

        /// Connections from clients. Beyond it, if another guest has more connections than the new connection's guest,
        /// the guest with most loses the one without traffic for longest, preferably an idle one. Otherwise the new
        /// connection's guest loses an idle one of its own, or the new connection is closed at once.
        public var clientStreams = 256

        /// Connections to nameservers. Beyond it queries use UDP.
        public var upstreamStreams = 256

        /// Queries of one connection that may wait at the same time; further ones are not read until some are answered.
        public var queriesPerStream = 64

        /// Unread bytes of answers after which a connection is closed. While there are more than an eighth of that, no
        /// further queries are read from the connection.
        public var unreadBytesPerStream = 512 << 10

        /// Idle timeout of a client's connection without waiting queries (RFC 7766 §6.2.3).
        public var clientStreamIdle: Duration = .seconds(30)

        /// Idle timeout of connections to nameservers.
        public var upstreamStreamIdle: Duration = .seconds(10)

        /// Timeout of the last attempt; `nil` for that of `options timeout:` in `resolv.conf`, which is 5 s by default.
        public var timeout: Duration?

        /// The number of rounds through the list of nameservers; `nil` for that of `options attempts:`, 2 by default.
        public var attempts: Int?

        /// The time without a response after which the next nameserver is asked, too. A late response of the first is
        /// still accepted.
        public var retryInterval: Duration = .milliseconds(1500)

        /// The timeout of a query, regardless of the number of nameservers.
        public var longestWait: Duration = .seconds(30)

        /// The default limits.
        public init() {}
    }
}
