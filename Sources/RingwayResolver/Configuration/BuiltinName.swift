public import RingwayModel

/// A name that the gateway answers for itself, such as `host.ringway.internal`.
public struct BuiltinName: Sendable, Hashable {
    /// The domain name, with or without a final dot. Compared without case.
    public var name: String

    /// What an A query gets; also answered backwards.
    public var ipv4: IPv4Address?

    /// What an AAAA query gets; also answered backwards.
    public var ipv6: IPv6Address?

    /// A name and its addresses. A family without address is answered with an empty NOERROR.
    public init(name: String, ipv4: IPv4Address? = nil, ipv6: IPv6Address? = nil) {
        self.name = name
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }
}
