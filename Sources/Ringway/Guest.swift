public import RingwayWire

/// Who a guest is on the network's one link to it.
public struct GuestIdentity: Hashable, Sendable {
    /// The address of the guest's interface; another one is learned when its frames show it.
    public var mac: MACAddress
    /// Where published ports lead, and what DHCP gives to `mac`.
    public var ipv4: IPv4Address
    public var ipv6: IPv6Address

    public init(mac: MACAddress, ipv4: IPv4Address, ipv6: IPv6Address) {
        self.mac = mac
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }
}
