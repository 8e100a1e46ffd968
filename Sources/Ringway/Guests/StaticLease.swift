public import RingwayModel

/// An IPv4 address, a name and a link that are reserved for the guest with a given ethernet address.
public struct StaticLease: Hashable, Sendable {
    /// The guest's ethernet address.
    public var mac: MACAddress
    /// The reserved address; `nil` for any.
    public var ipv4: IPv4Address?
    /// The guest's name in `ringway.internal`; `nil` for one derived from its address.
    public var name: String?
    /// The only link that the guest may use; `nil` for any link that is not reserved for another machine.
    public var link: LinkAddress?

    /// A lease for the guest with this ethernet address.
    public init(mac: MACAddress, ipv4: IPv4Address? = nil, name: String? = nil, link: LinkAddress? = nil) {
        self.mac = mac
        self.ipv4 = ipv4
        self.name = name?.lowercased()
        self.link = link
    }
}

/// A name that guests of the network can resolve, in addition to those of the gateway, the host and the guests.
public struct NetworkName: Hashable, Sendable {
    /// The domain name, in any domain.
    public var name: String
    /// The name's addresses, at most one of each family.
    public var ipv4: IPv4Address?
    public var ipv6: IPv6Address?

    /// A name and its addresses.
    public init(_ name: String, ipv4: IPv4Address? = nil, ipv6: IPv6Address? = nil) {
        self.name = name
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }
}
