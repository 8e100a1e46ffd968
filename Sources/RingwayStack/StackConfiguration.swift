public import RingwayModel

/// The options of a stack, fixed at its creation.
public struct StackConfiguration: Sendable {
    public var plan: NetworkPlan
    public var limits: Limits
    public var policy: DestinationPolicy
    /// The guest's ethernet address as configured on its link, used until one of the guest's frames has another source.
    public var guestMAC: MACAddress
    /// The IPv4 address that DHCP assigns to the guest.
    public var guestIPv4: IPv4Address
    public var guestIPv6: IPv6Address
    public var shard: Int
    public var shards: Int
    /// A random key per guest, for example for the hash of the flow table and for initial sequence numbers.
    public var secret: UInt64
    /// Whether the link accepts UDP super-frames (VIRTIO_NET_F_GUEST_USO).
    public var segmentsUDP: Bool
    /// Whether the network may have other guests. If so, the gateway does not answer ARP requests for their
    /// addresses, because they answer themselves, and DHCP assigns only `guestIPv4`.
    public var hasNeighbors = false
    /// The congestion control of connections toward the guest.
    public var congestion = CongestionAlgorithm.newReno

    public init(
        plan: NetworkPlan, limits: Limits, policy: DestinationPolicy, guestMAC: MACAddress,
        guestIPv4: IPv4Address, guestIPv6: IPv6Address, shard: Int, shards: Int, secret: UInt64,
        segmentsUDP: Bool = true
    ) {
        self.plan = plan
        self.limits = limits
        self.policy = policy
        self.guestMAC = guestMAC
        self.guestIPv4 = guestIPv4
        self.guestIPv6 = guestIPv6
        self.shard = shard
        self.shards = shards
        self.secret = secret
        self.segmentsUDP = segmentsUDP
    }
}
