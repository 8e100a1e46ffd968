public import RingwayModel
internal import Synchronization

/// An address that a guest has, or that is kept for it.
public struct GuestLease: Hashable, Sendable {
    public let mac: MACAddress
    public let ipv4: IPv4Address
    /// The address that SLAAC makes of `mac`.
    public let ipv6: IPv6Address
    /// The guest's name in `ringway.internal`.
    public let name: String
    /// The configuration says so; otherwise it may go to another guest one day, when addresses run out.
    public let isStatic: Bool
    /// The guest is attached.
    public let isPresent: Bool
    /// The one link by which the guest comes; `nil` for any that is not another guest's.
    public let link: LinkAddress?
}

extension VirtualNetwork {
    /// Every lease, by address.
    public var leases: [GuestLease] {
        state.withLock { state in
            let registry = state.registry
            return registry.leases.map { mac, lease in
                GuestLease(
                    mac: mac, ipv4: lease.ipv4, ipv6: registry.ipv6(of: mac), name: lease.name,
                    isStatic: lease.isStatic, isPresent: lease.isPresent,
                    link: registry.settledLink(of: mac) ?? lease.link)
            }
        }.sorted { $0.ipv4 < $1.ipv4 }
    }

    /// The leases that guests were given, without those that the configuration settles: what
    /// `Configuration.rememberedLeases` takes after a restart.
    public var rememberedLeases: [StaticLease] { state.withLock { $0.registry.remembered } }
}
