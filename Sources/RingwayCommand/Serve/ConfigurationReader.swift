internal import ArgumentParser
internal import Ringway

/// Reads a configuration file: YAML, which includes JSON.
///
/// The top level has either the keys of a single network, or `networks`, which has the keys of several networks by
/// name. A key is named like the command-line option for the same setting. Where the key is missing, the value of the
/// option applies.
struct ConfigurationReader {
    private static let networkKeys = [
        "network", "ipv6-prefix", "mtu", "dns", "host-loopback", "host", "udp-filtering", "privileged-source-ports",
        "allow", "deny", "isolate",
        "shards", "busy-poll", "reactor", "capture", "capture-snaplen", "capture-size", "capture-files",
        "capture-filter", "socket-mode", "listen", "publish", "publish-on", "leases", "names", "limits",
        "agent-token", "trust-agent-names", "agent-publish", "agent-socket", "forward", "follow-ports",
    ]

    let file: String
    let options: NetworkOrder

    /// Returns one order for each network; there is at least one.
    func read(_ text: String) throws(CommandFailure) -> [NetworkOrder] {
        guard let root = try ConfigurationNode.parse(text, file: file) else { return [plain(NetworkOrder.onlyName)] }
        let members = try root.members(["networks"] + Self.networkKeys)
        guard let networks = members["networks"] else { return [try network(root, NetworkOrder.onlyName)] }
        if let other = members.values.filter({ $0.key != "networks" }).min(by: { $0.line < $1.line }) {
            throw other.failure("this key stands beside \"networks\"; write it inside one of the networks")
        }
        var orders: [NetworkOrder] = []
        let named = try networks.members()
        for name in networks.names {
            guard let node = named[name] else { continue }
            guard GuestName.isValid(name) else {
                throw node.failure("\"\(name)\" is no network's name; use letters, digits and hyphens")
            }
            orders.append(try network(node, name))
        }
        guard !orders.isEmpty else { throw networks.failure("there is no network; write at least one") }
        return orders
    }

    /// The options without their links, ports and agent forwards, which `ConfigurationSource` adds to the first
    /// network.
    private func plain(_ name: String) -> NetworkOrder {
        NetworkOrder(
            name: name, configuration: options.configuration, isNetworkChosen: options.isNetworkChosen,
            socketMode: options.socketMode, links: [], publish: [])
    }

    private func network(_ node: ConfigurationNode, _ name: String) throws(CommandFailure) -> NetworkOrder {
        var order = plain(name)
        let members = try node.members(Self.networkKeys)
        func read(_ key: String, _ take: (ConfigurationNode) throws(CommandFailure) -> Void) throws(CommandFailure) {
            if let member = members[key] { try take(member) }
        }
        try read("network") { (node) throws(CommandFailure) in
            order.configuration.ipv4Network = try node.value(OptionValue.network)
            order.isNetworkChosen = true
        }
        try read("ipv6-prefix") { (node) throws(CommandFailure) in
            order.configuration.ipv6Prefix = try node.value(OptionValue.ipv6Prefix)
        }
        try read("mtu") { (node) throws(CommandFailure) in order.configuration.mtu = try node.value(OptionValue.mtu) }
        try read("dns") { (node) throws(CommandFailure) in
            order.configuration.nameServers = try list(node, OptionValue.nameServer)
        }
        try read("host-loopback") { (node) throws(CommandFailure) in
            order.configuration.hostLoopback = try node.boolean()
        }
        try read("host") { (node) throws(CommandFailure) in order.configuration.host = try node.boolean() }
        try read("udp-filtering") { (node) throws(CommandFailure) in
            order.configuration.udpFiltering = try node.value(OptionValue.udpFiltering)
        }
        try read("privileged-source-ports") { (node) throws(CommandFailure) in
            order.configuration.keepsPrivilegedPorts = try node.boolean()
        }
        try read("allow") { (node) throws(CommandFailure) in
            order.configuration.allow = try list(node, OptionValue.block)
        }
        try read("deny") { (node) throws(CommandFailure) in
            order.configuration.deny = try list(node, OptionValue.block)
        }
        try read("isolate") { (node) throws(CommandFailure) in order.configuration.isolate = try node.boolean() }
        try read("shards") { (node) throws(CommandFailure) in
            order.configuration.shards = try node.value(OptionValue.shards)
        }
        try read("busy-poll") { (node) throws(CommandFailure) in
            order.configuration.busyPoll = try node.value(OptionValue.busyPoll)
        }
        try read("reactor") { (node) throws(CommandFailure) in
            order.configuration.reactor = try node.value(OptionValue.reactor)
        }
        try CaptureKeys.read(members, into: &order.configuration)
        try read("limits") { (node) throws(CommandFailure) in
            try LimitKeys.read(node, into: &order.configuration.limits)
        }
        try read("socket-mode") { (node) throws(CommandFailure) in
            order.socketMode = try node.value(OptionValue.socketMode)
        }
        let mode = order.socketMode
        try read("listen") { (node) throws(CommandFailure) in
            order.links = try links(node).map { LinkOrder(address: $0.address, mode: mode, terms: $0.terms) }
        }
        try read("publish") { (node) throws(CommandFailure) in
            order.publish = try published(node)
        }
        try read("publish-on") { (node) throws(CommandFailure) in
            order.configuration.publishOn = try node.value(OptionValue.bindPolicy)
        }
        try read("leases") { (node) throws(CommandFailure) in
            order.configuration.leases = try LeaseKeys.read(node, in: order.configuration)
        }
        try AgentKeys.read(members, into: &order)
        try read("names") { (node) throws(CommandFailure) in order.configuration.names = try NameKeys.read(node) }
        return order
    }

    private func links(_ node: ConfigurationNode) throws(CommandFailure) -> [LinkSpecification] {
        let links = try list(node, OptionValue.link)
        var places = Set<LinkAddress>()
        for (index, link) in links.enumerated() where !places.insert(link.address).inserted {
            throw try node.elements()[index].failure("\(link.address) is listened at twice; remove one")
        }
        return links
    }

    private func published(_ node: ConfigurationNode) throws(CommandFailure) -> [PortForward] {
        let forwards = try list(node, PublishSpecification.parseForGuest)
        do throws(ValidationError) {
            try PublishSpecification.refuseConflicts(forwards)
        } catch {
            let second = PortForward.conflict(in: forwards)?.1
            let index = forwards.lastIndex { $0 == second } ?? 0
            throw try node.elements()[index].failure("\(error.message); remove one")
        }
        return forwards
    }

    private func list<Value>(
        _ node: ConfigurationNode, _ transform: (String) throws -> Value
    ) throws(CommandFailure) -> [Value] {
        var values: [Value] = []
        for element in try node.elements() { values.append(try element.value(transform)) }
        return values
    }
}
