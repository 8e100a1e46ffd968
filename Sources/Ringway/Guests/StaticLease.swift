public import RingwayModel

/// A static lease.
public struct StaticLease: Hashable, Sendable {
    /// The guest's ethernet address.
    public var mac: MACAddress
    /// The address that is kept for it; `nil` for any.
    public var ipv4: IPv4Address?
    /// Its name in `ringway.internal`; `nil` for one made of its address.
    public var name: String?
    /// The one link by which it comes; `nil` for any that is not another machine's.
    public var link: LinkAddress?

    /// A lease for the guest with this ethernet address.
    public init(mac: MACAddress, ipv4: IPv4Address? = nil, name: String? = nil, link: LinkAddress? = nil) {
        self.mac = mac
        self.ipv4 = ipv4
        self.name = name?.lowercased()
        self.link = link
    }
}

/// A name that the network's guests can resolve, besides those of the gateway, the host and the guests.
public struct NetworkName: Hashable, Sendable {
    /// The domain name, in whatever domain.
    public var name: String
    /// The addresses it has, at the most one of each family.
    public var ipv4: IPv4Address?
    public var ipv6: IPv6Address?

    /// A name and its addresses.
    public init(_ name: String, ipv4: IPv4Address? = nil, ipv6: IPv6Address? = nil) {
        self.name = name
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }
}
