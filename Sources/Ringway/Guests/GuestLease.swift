public import RingwayModel
internal import Synchronization

/// A lease of a guest, attached or not.
public struct GuestLease: Hashable, Sendable {
    public let mac: MACAddress
    public let ipv4: IPv4Address
    /// The SLAAC address of `mac`.
    public let ipv6: IPv6Address
    /// The guest's name in `ringway.internal`.
    public let name: String
    /// Whether the address is reserved by a configured lease. Any other address may be assigned to another guest if
    /// addresses run out.
    public let isStatic: Bool
    /// Whether the guest is attached.
    public let isPresent: Bool
    /// The only link that the guest may use; `nil` for any link that is not reserved for another guest.
    public let link: LinkAddress?
}

extension VirtualNetwork {
    /// Every lease, in the order of IPv4 addresses.
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

    /// The assigned leases, without configured ones: the input of `Configuration.rememberedLeases` after a restart.
    public var rememberedLeases: [StaticLease] { state.withLock { $0.registry.remembered } }
}
