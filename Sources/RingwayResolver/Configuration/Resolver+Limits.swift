extension Resolver {
    /// The bounds of a resolver. At each of them something is refused or dropped, and `Statistics` counts it.
    public struct Limits: Sendable, Equatable {
        /// Queries waiting for a nameserver. One more is answered SERVFAIL, or where its guest has fewer than another
        /// the other's oldest is. Guests share the other bounds on what is held at a time in the same way.
        public var outstandingQueries = 4096

        /// Bytes that waiting queries may hold together. One byte more, and the query is answered SERVFAIL.
        public var outstandingBytes = 16 << 20

        /// Connections from clients. One more closes a connection of the guest that has most: the one that has been idle
        /// for longest, or any where the new one's guest has fewer; if there is none, the new one is closed at once.
        public var clientStreams = 256

        /// Connections to nameservers. Where one more would be needed, the query goes by datagram.
        public var upstreamStreams = 256

        /// Queries of one connection that may wait at the same time; the next ones are left unread until some are
        /// answered.
        public var queriesPerStream = 64

        /// Bytes of answers that one connection may leave unread before it is closed. No further queries are read from
        /// it at an eighth of that.
        public var unreadBytesPerStream = 512 << 10

        /// A client's connection without traffic and without queries waiting is closed after this time (RFC 7766 §6.2.3).
        public var clientStreamIdle: Duration = .seconds(30)

        /// The same for our connections to nameservers.
        public var upstreamStreamIdle: Duration = .seconds(10)

        /// How long the last try waits for its answer; `nil` follows `options timeout:`, which is 5 s by default.
        public var timeout: Duration?

        /// How often the list of nameservers is gone through; `nil` follows `options attempts:`, which is 2 by default.
        public var attempts: Int?

        /// How long a nameserver may stay silent before the next one is asked as well. An answer from the first is still
        /// taken when it comes.
        public var retryInterval: Duration = .milliseconds(1500)

        /// No query waits longer than this, however many nameservers there are.
        public var longestWait: Duration = .seconds(30)

        /// The default bounds.
        public init() {}
    }
}
