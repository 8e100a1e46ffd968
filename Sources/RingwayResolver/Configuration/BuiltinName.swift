public import RingwayModel

/// A name that the gateway's DNS answers itself, such as `host.ringway.internal`.
public struct BuiltinName: Sendable, Hashable {
    /// The domain name, with or without a final dot. Compared without case.
    public var name: String

    /// The answer to an A query; reverse lookups work, too.
    public var ipv4: IPv4Address?

    /// The answer to an AAAA query; reverse lookups work, too.
    public var ipv6: IPv6Address?

    /// A name and its addresses. A query for an address family that the name lacks gets NOERROR without records.
    public init(name: String, ipv4: IPv4Address? = nil, ipv6: IPv6Address? = nil) {
        self.name = name
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }
}
