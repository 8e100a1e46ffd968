internal import ArgumentParser
internal import CRingway
internal import Glibc
internal import Ringway

/// The options of `serve` about agents.
struct AgentOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The agents' token: the first line of this file. Without this option every agent is admitted.",
            valueName: "file"),
        transform: OptionValue.file)
    var agentToken: String?

    @Option(
        help: ArgumentHelp(
            "Let agents publish ports of their guests on the host: \(AgentPublishing.forms). Repeatable. (default: none)",
            discussion: """
                Docker engines in guests need this to publish ports of their containers. PORTS is one port or a range \
                (default: from 1024 on). A request for every address gets the first that is allowed.
                """, valueName: "ports"),
        transform: OptionValue.agentPublishing)
    var agentPublish: [AgentPublishing] = []

    @Option(
        help: ArgumentHelp(
            "Let agents connect programs of their guests to this unix socket of the host, by a name. Repeatable.",
            valueName: "name=path"),
        transform: AgentOptions.socket)
    var agentSocket: [HostSocket] = []

    @Option(
        help: ArgumentHelp(
            "Forward connections to a port or socket of the host to a server inside a guest, by its agent. Repeatable.",
            discussion: """
                [GUEST/]PLACE=TARGET[@NAMESPACE]: PLACE is [HOSTIP:]PORT, on 127.0.0.1 where no address is given, or \
                unix:PATH; TARGET is tcp:IP:PORT, udp:IP:PORT or unix:PATH, as the agent reaches it in its own or \
                another network namespace.
                """, valueName: "forward"),
        transform: AgentForwardSpecification.parse)
    var forward: [AgentForward] = []

    @Flag(
        help: ArgumentHelp(
            "Accept a name that a guest's agent gives it as the guest's name in published ports and "
                + "forwards."))
    var trustAgentNames = false

    @Flag(
        name: .customLong("follow-ports"),
        help: ArgumentHelp(
            "For every TCP port from 1024 on with a listener inside a guest, open the same port on the host's "
                + "loopback, by the guest's agent."))
    var followPorts = false

    /// A unix socket of the host that guests may use.
    struct HostSocket {
        let name: String
        let path: String
    }

    static func socket(_ text: String) throws -> HostSocket {
        let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
        guard parts.count == 2, parts[0].utf8.count <= 255, parts[1].hasPrefix("/"), parts[1].utf8.count <= 107 else {
            throw ValidationError("it is not a name and a path, such as ssh=/run/user/1000/ssh-agent.sock")
        }
        return HostSocket(name: parts[0], path: parts[1])
    }

    /// Applies the options to a network's configuration.
    func apply(to configuration: inout VirtualNetwork.Configuration) throws(CommandFailure) {
        if let agentToken { configuration.agentToken = try Self.token(in: agentToken) }
        configuration.trustsAgentNames = trustAgentNames
        configuration.agentPublishing = Self.merged(agentPublish)
        configuration.followsListeningPorts = followPorts
        for socket in agentSocket { configuration.agentSockets[socket.name] = socket.path }
    }

    /// The union of several permissions.
    static func merged(_ publishing: [AgentPublishing]) -> AgentPublishing {
        AgentPublishing(publishing.flatMap(\.rules))
    }

    /// The agents' token: the first line of a file, 1 to 255 bytes.
    static func token(in path: String) throws(CommandFailure) -> [UInt8] {
        let file = ringway_open(path, O_RDONLY, 0)
        guard file >= 0 else {
            throw CommandFailure("cannot read the agents' token in \(path): \(String(cString: strerror(errno)))")
        }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = read(file, &bytes, bytes.count)
        let token = bytes.prefix(max(0, count)).prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") }
        guard (1...255).contains(token.count) else {
            throw CommandFailure("the agents' token in \(path) is to have 1 to 255 bytes")
        }
        return Array(token)
    }
}
