internal import Ringway
internal import RingwayTap

/// A place to wait for guests at, as it was ordered.
struct LinkOrder: Hashable {
    let address: LinkAddress
    /// Permissions of the socket that is made.
    let mode: UInt32
    /// The guests that may come there.
    var terms = LinkTerms()
}

/// One network as it was ordered, by options or by a file.
struct NetworkOrder {
    /// The network that has no name, because it is the only one.
    static let onlyName = "default"

    let name: String
    var configuration: VirtualNetwork.Configuration
    /// Whether the user has named the IPv4 network.
    var isNetworkChosen = false
    /// Permissions of sockets without a mode of their own.
    var socketMode: UInt32
    var links: [LinkOrder]
    var publish: [PortForward]
    /// TCP sockets that listen already, for ports that are published.
    var portListeners: [Int32] = []
    /// Places whose clients are led into guests by their agents.
    var agentForwards: [AgentForward] = []

    /// The links in words.
    var places: String { links.map { "\($0.address)" }.joined(separator: ", ") }

    /// Whether the IPv4 network is fixed: it was named, or an address in it.
    var isNetworkSettled: Bool {
        func isAddress(_ guest: GuestSelector) -> Bool { if case .address = guest { true } else { false } }
        return isNetworkChosen || configuration.leases.contains { $0.ipv4 != nil }
            || publish.contains { isAddress($0.guest) } || agentForwards.contains { isAddress($0.guest) }
    }

    /// The host's routes to a network other than by the guests' own interfaces.
    var networkChoice: NetworkChoice {
        let own = Set(links.map { "\($0.address)" })
        return NetworkChoice(HostRoute.all(ipv4: true).filter { !own.contains("tap:\($0.interface)") })
    }
}
