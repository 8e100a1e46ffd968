internal import Ringway
internal import RingwayTap

/// Chooses the guests' IPv4 network if the user did not. Warns if the host has an address in the same network or a
/// route to it, because guests then cannot reach the machines there.
struct NetworkChoice {
    /// The alternatives to the standard network, in order.
    static let candidates: [CIDRBlock] =
        ((127...254).map { "192.168.\($0).0/24" } + (127...254).map { "10.127.\($0).0/24" }).compactMap {
            CIDRBlock($0)
        }

    let routes: [HostRoute]

    init(_ routes: [HostRoute] = HostRoute.all(ipv4: true)) { self.routes = routes }

    /// The host's route or address that overlaps the network; `nil` if there is none.
    func conflict(of network: CIDRBlock) -> HostRoute? {
        // Several routes may overlap, for example the host's address (a /32) and the /24 that contains it. The route
        // whose prefix length is closest to the network's tells the user most.
        routes.filter { $0.overlaps(network) }.min { first, second in
            abs(first.block.prefixLength - network.prefixLength) < abs(second.block.prefixLength - network.prefixLength)
        }
    }

    /// The network to use, and a message for the user if there is a conflict with a route of the host.
    ///
    /// - Parameters:
    ///   - network: the network that the user specified, or the standard network.
    ///   - isChosen: whether the user specified the network, or an address in it.
    ///   - former: the network of an earlier run. If the user specified no network, `former` is used again, provided
    ///     that it is one of the candidates and overlaps no route of the host.
    func settle(
        _ network: CIDRBlock, isChosen: Bool, former: CIDRBlock? = nil
    ) -> (network: CIDRBlock, notice: String?) {
        if !isChosen, let former, Self.candidates.contains(former), conflict(of: former) == nil { return (former, nil) }
        guard let conflict = conflict(of: network) else { return (network, nil) }
        let what = "\(network) is this host's \(conflict.block) on \(conflict.interface) too"
        if !isChosen, let free = Self.candidates.first(where: { self.conflict(of: $0) == nil }) {
            return (free, "\(what); guests get \(free), or what --network says")
        }
        return (network, "\(what): guests cannot reach what is there; --network chooses another")
    }

    /// The message about an IPv6 prefix that the user specified; `nil` if no route of the host overlaps it.
    static func notice(prefix: IPv6Address, routes: [HostRoute] = HostRoute.all(ipv4: false)) -> String? {
        guard let block = CIDRBlock(address: IPAddress(prefix), prefixLength: 64),
            let conflict = routes.first(where: { $0.overlaps(block) })
        else { return nil }
        return "\(block) is this host's \(conflict.block) on \(conflict.interface) too: guests cannot reach what is "
            + "there; --ipv6-prefix chooses another"
    }
}
