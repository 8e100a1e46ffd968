public import RingwayModel
public import RingwayStorage

extension Resolver {
    /// The configuration of a resolver: its answers, nameservers and limits.
    public struct Configuration: Sendable {
        /// Names answered here; a PTR query returns the first name with the address.
        public var names: [BuiltinName]

        /// Zones that are answered here only.
        public var own = OwnNetwork()

        /// Whether queries for other names are forwarded to nameservers; if not, they get REFUSED. Names would let a
        /// guest that may reach no address send data out, to the nameserver of its own domain.
        public var forwards = true

        /// The nameservers to ask, in this order; `nil` to follow `resolvConfPath`. With an empty list every query
        /// that is not answered from `names` and `own` gets SERVFAIL.
        public var upstreams: [TransportAddress]?

        /// The file to read and follow if `upstreams` is `nil`.
        public var resolvConfPath = "/etc/resolv.conf"

        /// The limits.
        public var limits = Limits()

        /// Counts and limits the sockets to nameservers. When a query cannot get a socket, the oldest query of the
        /// guest with the most queries gets SERVFAIL, and its sockets are freed. If that guest has fewer than two
        /// queries more than the guest of the query without a socket, this query gets SERVFAIL instead.
        public var descriptors = DescriptorShare.unbounded()

        /// The port of the nameservers in `resolvConfPath`, which cannot specify one.
        var resolvConfPort: UInt16 = 53

        /// Called on the resolver's thread with the search domains of `resolvConfPath`, first at the start and then on
        /// each change. If this is set, the file is followed even if `upstreams` are given. Must not block.
        public var searchFollowed: (@Sendable ([String]) -> Void)?

        /// Called on the resolver's thread each time `resolvConfPath` has been read for nameservers.
        var serversFollowed: (@Sendable ([Nameserver]) -> Void)?

        /// A configuration with default limits.
        public init(names: [BuiltinName] = [], upstreams: [TransportAddress]? = nil) {
            self.names = names
            self.upstreams = upstreams
        }
    }
}
