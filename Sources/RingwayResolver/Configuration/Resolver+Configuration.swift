public import RingwayModel
public import RingwayStorage

extension Resolver {
    /// What a resolver answers, whom it asks, and its bounds.
    public struct Configuration: Sendable {
        /// Names answered here; a PTR query gets the first name that has the address.
        public var names: [BuiltinName]

        /// What is answered here alone.
        public var own = OwnNetwork()

        /// The nameservers to ask, in this order; `nil` follows `resolvConfPath`. An empty list asks no server: whatever is
        /// not a built-in name is answered SERVFAIL.
        public var upstreams: [TransportAddress]?

        /// The file that is read, and followed as it changes, when `upstreams` is `nil`.
        public var resolvConfPath = "/etc/resolv.conf"

        /// The bounds.
        public var limits = Limits()

        /// By which sockets for queries are counted: beyond this share a query that needs one is answered SERVFAIL.
        public var descriptors = DescriptorShare.unbounded()

        /// The port of the nameservers in `resolvConfPath`, which has no way to say it.
        var resolvConfPort: UInt16 = 53

        /// Called on the resolver's thread with the domains that `resolvConfPath` has its readers search, at first and when
        /// they change; the file is followed for them even when `upstreams` are given. It must not wait.
        public var searchFollowed: (@Sendable ([String]) -> Void)?

        /// Called on the resolver's thread each time `resolvConfPath` has been read.
        var serversFollowed: (@Sendable ([Nameserver]) -> Void)?

        /// A configuration with default limits.
        public init(names: [BuiltinName] = [], upstreams: [TransportAddress]? = nil) {
            self.names = names
            self.upstreams = upstreams
        }
    }
}
