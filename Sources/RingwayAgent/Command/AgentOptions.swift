internal import RingwayContainment
internal import RingwayModel
internal import RingwayTap
internal import RingwayUsage

/// The options of `ringway-agent run`.
struct AgentOptions: Equatable {
    /// The host's address. If `isListening`, the agent listens on the address's port or path, and accepts connections
    /// from the address's CID only.
    var endpoint: HostEndpoint
    /// Whether the host connects to the agent, rather than the agent to the host.
    var isListening = false
    var tokenFile: String?
    /// The number of the interface's queues; zero for an agent without an interface.
    var queues = 1
    var interfaceName = "eth0"
    var mac: MACAddress?
    var mtu: UInt16 = 0
    /// Whether to set addresses, routes and name servers as sent by the host.
    var configures = false
    /// The file for name servers: empty for none, `nil` if the agent chooses the place (`ResolverPlace`).
    var resolverFile: String?
    var guestName: String?
    /// The socket for programs that request host ports; empty for none.
    var requestPath = AgentOptions.defaultRequestPath
    /// Unix sockets of the guest whose connections go to sockets of the host.
    var shares: [Share] = []
    var sandbox = Containment.Mode.on

    /// A unix socket of the guest, and the name of the host's socket to which its connections go.
    struct Share: Equatable {
        var path: String
        var name: String
    }

    /// All options.
    static let known = [
        "--host", "--listen", "--token-file", "--queues", "--ifname", "--mac", "--mtu", "--configure", "--resolv-conf",
        "--name", "--request-socket", "--share", "--sandbox",
    ]

    /// The default of `--request-socket`. `docker-proxy` connects to the same path by default.
    static var defaultRequestPath: String { "/run/ringway-agent.sock" }

    /// Reads the arguments after `run`.
    init(_ arguments: [String]) throws(UsageFailure) {
        var endpoint: HostEndpoint?
        // A placeholder that is replaced below. All stored properties must have a value before `self` is used.
        self.endpoint = .unix(path: "")
        var rest = ArgumentReader(arguments)
        while let option = rest.nextOption() {
            switch option {
            case "--host", "--listen":
                guard endpoint == nil else {
                    throw UsageFailure("--host and --listen are given more than once; give one of them, once")
                }
                let text = try rest.value(of: option)
                guard let read = HostEndpoint(text) else {
                    throw UsageFailure("\(option) \"\(text)\": \(HostEndpoint.complaint(text))")
                }
                endpoint = read
                isListening = option == "--listen"
            case "--token-file": tokenFile = try rest.value(of: option)
            case "--queues": queues = try rest.integer(of: option, in: 0...64)
            case "--ifname":
                interfaceName = try rest.value(of: option)
                guard TapDevice.isInterfaceName(interfaceName) else {
                    throw UsageFailure(
                        "--ifname \"\(interfaceName)\": an interface's name has 1 to 15 characters, none of them blank, "
                            + "\"/\", \":\" or \"%\"")
                }
            case "--mac":
                let text = try rest.value(of: option)
                guard let address = MACAddress(text), !address.isMulticast else {
                    throw UsageFailure("--mac \"\(text)\": it is not an ethernet address such as 02:00:00:00:00:01")
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
                else {
                    throw UsageFailure(
                        "--share \"\(text)\": it is not a path in the guest and the name of a socket of the host's, such "
                            + "as /run/ssh.sock=ssh")
                }
                shares.append(Share(path: parts[0], name: parts[1]))
            case "--sandbox":
                let text = try rest.value(of: option)
                guard let mode = Containment.Mode(rawValue: text) else {
                    throw UsageFailure("--sandbox \"\(text)\": it is on, off or log")
                }
                sandbox = mode
            default: throw Self.unknown(option)
            }
        }
        guard let endpoint else {
            throw UsageFailure(
                "the host is missing; give --host vsock:2:PORT or --host unix:PATH, or --listen where the host connects"
            )
        }
        self.endpoint = endpoint
    }

    private static func unknown(_ option: String) -> UsageFailure {
        guard option.hasPrefix("-") else {
            return UsageFailure("unexpected argument \"\(option)\"; try \"ringway-agent run --help\"")
        }
        let question = Suggestion.question(option, among: known)
        return UsageFailure(
            "unknown option \"\(option)\"\(question.isEmpty ? "; try \"ringway-agent run --help\"" : question)")
    }
}
