internal import Ringway

/// A place to wait for guests at, as it was ordered.
struct LinkOrder: Hashable {
    let address: LinkAddress
    /// Permissions of the socket that is made.
    let mode: UInt32
}

/// One network as it was ordered, by options or by a file.
struct NetworkOrder {
    /// The network that has no name, because it is the only one.
    static let onlyName = "default"

    let name: String
    var configuration: VirtualNetwork.Configuration
    /// Permissions of sockets for which nothing else is said.
    var socketMode: UInt32
    var links: [LinkOrder]
    var publish: [PortForward]
    /// Places whose clients are led into guests by their agents.
    var agentForwards: [AgentForward] = []

    /// The links in words.
    var places: String { links.map { "\($0.address)" }.joined(separator: ", ") }
}
