public import RingwayModel
public import RingwayStorage

extension Resolver {
    /// The configuration of a resolver: its answers, nameservers and limits.
    public struct Configuration: Sendable {
        /// Names answered here; a PTR query returns the first name with the address.
        public var names: [BuiltinName]

        /// Zones that are answered here only.
        public var own = OwnNetwork()

        /// The nameservers to ask, in this order; `nil` to follow `resolvConfPath`. With an empty list every query
        /// that is not answered from `names` and `own` gets SERVFAIL.
        public var upstreams: [TransportAddress]?

        /// The file to read and follow if `upstreams` is `nil`.
        public var resolvConfPath = "/etc/resolv.conf"

        /// The limits.
        public var limits = Limits()

        /// Counts the sockets to nameservers. When the share is used up, a query of the guest with most queries gets
        /// SERVFAIL if that frees descriptors for a guest with fewer; otherwise the new query does.
        public var descriptors = DescriptorShare.unbounded()

        /// The port of the nameservers in `resolvConfPath`, which cannot specify one.
        var resolvConfPort: UInt16 = 53

        /// Called on the resolver's thread with the search domains of `resolvConfPath`, at first and on each change;
        /// the file is followed for them even if `upstreams` are given. Must not block.
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
