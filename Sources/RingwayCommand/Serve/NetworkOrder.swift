internal import Ringway
internal import RingwayTap

/// A listener for guests, as configured.
struct LinkOrder: Hashable {
    let address: LinkAddress
    /// The permissions of the unix socket, if one is created for the link.
    let mode: UInt32
    /// The guests that may connect there.
    var terms = LinkTerms()
}

/// A network as configured by options or by a file.
struct NetworkOrder {
    /// The name of a single network to which the user gave none.
    static let onlyName = "default"

    let name: String
    var configuration: VirtualNetwork.Configuration
    /// Whether the user specified the IPv4 network.
    var isNetworkChosen = false
    /// The permissions of the unix sockets that are created for `links`.
    var socketMode: UInt32
    var links: [LinkOrder]
    var publish: [PortForward]
    /// Inherited listening TCP sockets. A forward in `publish` for the address and port of such a socket uses the
    /// socket.
    var portListeners: [Int32] = []
    /// Addresses and unix sockets of the host at which this process listens, and the servers inside guests to which
    /// agents forward the clients.
    var agentForwards: [AgentForward] = []

    /// The links as text.
    var places: String { links.map { "\($0.address)" }.joined(separator: ", ") }

    /// Whether the IPv4 network is fixed: the user specified it, or an address in it.
    var isNetworkSettled: Bool {
        func isAddress(_ guest: GuestSelector) -> Bool { if case .address = guest { true } else { false } }
        return isNetworkChosen || configuration.leases.contains { $0.ipv4 != nil }
            || publish.contains { isAddress($0.guest) } || agentForwards.contains { isAddress($0.guest) }
    }

    /// The host's routes that may conflict with the network. Routes through the TAP devices among `links` are
    /// omitted, because they lead to the guests themselves.
    var networkChoice: NetworkChoice {
        let own = Set(links.map { "\($0.address)" })
        return NetworkChoice(HostRoute.all(ipv4: true).filter { !own.contains("tap:\($0.interface)") })
    }
}
