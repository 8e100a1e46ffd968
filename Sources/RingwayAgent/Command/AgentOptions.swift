internal import RingwayTap
internal import RingwayWire

/// What `ringway-agent run` is told.
struct AgentOptions: Equatable {
    /// Where the host is, or where it will connect.
    var endpoint: HostEndpoint
    /// The host connects to the agent.
    var isListening = false
    var tokenFile: String?
    /// Zero for an agent that carries no frames.
    var queues = 1
    var interfaceName = "eth0"
    var mac: MACAddress?
    var mtu: UInt16 = 0
    /// Addresses, routes and name servers are set as the host says.
    var configures = false
    var resolverFile = "/etc/resolv.conf"
    var guestName: String?
    /// Where programs ask for ports of the host; empty for nowhere.
    var requestPath = AgentOptions.defaultRequestPath
    /// Unix sockets of the guest's that lead to the host.
    var shares: [Share] = []

    /// A unix socket of the guest's, and the name of the host's that it leads to.
    struct Share: Equatable {
        var path: String
        var name: String
    }

    /// Where `docker-proxy` looks for the agent too.
    static var defaultRequestPath: String { "/run/ringway-agent.sock" }

    /// Reads the arguments after `run`.
    init(_ arguments: [String]) throws(UsageFailure) {
        var endpoint: HostEndpoint?
        // Replaced before anybody sees it: every stored property has a value from here on.
        self.endpoint = .unix(path: "")
        var rest = ArgumentReader(arguments)
        while let option = rest.nextOption() {
            switch option {
            case "--host", "--listen":
                guard endpoint == nil else { throw UsageFailure("--host or --listen is given once") }
                let text = try rest.value(of: option)
                guard let read = HostEndpoint(text) else {
                    throw UsageFailure("\(option) \(text): use vsock:CID:PORT (the host has CID 2) or unix:PATH")
                }
                endpoint = read
                isListening = option == "--listen"
            case "--token-file": tokenFile = try rest.value(of: option)
            case "--queues": queues = try rest.integer(of: option, in: 0...64)
            case "--ifname":
                interfaceName = try rest.value(of: option)
                guard TapDevice.isInterfaceName(interfaceName) else {
                    throw UsageFailure("--ifname \(interfaceName): an interface's name has 1 to 15 characters")
                }
            case "--mac":
                let text = try rest.value(of: option)
                guard let address = MACAddress(text), !address.isMulticast else {
                    throw UsageFailure("--mac \(text): use an address like 02:00:00:00:00:01")
                }
                mac = address
            case "--mtu": mtu = UInt16(try rest.integer(of: option, in: 1_280...65_520))
            case "--configure": configures = true
            case "--resolv-conf": resolverFile = try rest.value(of: option)
            case "--name": guestName = try rest.value(of: option)
            case "--request-socket": requestPath = try rest.value(of: option)
            case "--share":
                let text = try rest.value(of: option)
                let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2, parts[0].hasPrefix("/"), parts[0].utf8.count <= 107, parts[1].utf8.count <= 255
                else { throw UsageFailure("--share \(text): use /PATH/IN/THE/GUEST=NAME") }
                shares.append(Share(path: parts[0], name: parts[1]))
            default: throw UsageFailure("unknown option \(option)")
            }
        }
        guard let endpoint else { throw UsageFailure("--host or --listen is missing") }
        self.endpoint = endpoint
    }
}
