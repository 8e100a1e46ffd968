internal import ArgumentParser
internal import Ringway

/// `ringway serve`: networks for guests that connect by links.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run a network for virtual machines that start and stop.",
        usage: "ringway serve [--config <file>] [--listen <link>]... [<options>]",
        discussion: HelpText.serve)

    @Option(
        help: ArgumentHelp(
            "Read networks, leases, names, links and published ports from this file, YAML or JSON, and again when it "
                + "changes.", valueName: "file"),
        transform: OptionValue.file)
    var config: String?

    @Option(
        help: ArgumentHelp(
            "Listen for guests here: \(LinkAddress.forms). Repeatable.",
            discussion: """
                ",guest=NAME" or ",mac=ADDRESS" after it binds the link to one machine; see LINKS. A vsock port takes \
                ",cid=N" for each machine that may connect, or --agent-token.
                """, valueName: "link"),
        transform: OptionValue.link)
    var listen: [LinkSpecification] = []

    @Option(
        help: ArgumentHelp(
            "The permissions of the sockets that are made: 0600, 0660 or 0666. (default: 0600)", valueName: "mode"),
        transform: OptionValue.socketMode)
    var socketMode: UInt32 = 0o600

    @Option(
        name: [.customShort("p", allowingJoined: true), .long],
        help: ArgumentHelp(
            "Publish a guest's port on the host: [GUEST=], then as for \"ringway run\". Repeatable.",
            discussion: """
                GUEST is a guest's name, IPv4 address or ethernet address; without it, the guest that has been \
                connected for longest. Then follows [HOSTIP:][HOSTPORT[-END]:]GUESTPORT[-END][/tcp|/udp], as in \
                Docker: without HOSTPORT a free port of the host is chosen and reported.
                """,
            valueName: "publish"),
        transform: PublishSpecification.parseForGuest)
    var publish: [PortForward] = []

    @Flag(help: "Isolate the guests of a network from each other.")
    var isolate = false

    @OptionGroup(title: "Control") var control: ControlPlaceOptions
    @OptionGroup(title: "State") var state: StateOptions
    @OptionGroup(title: "Agents") var agents: AgentOptions
    @OptionGroup(title: "Network options") var network: NetworkOptions
    @OptionGroup(title: "Bridge options") var bridge: BridgeOptions
    @OptionGroup(title: "Limits") var limits: LimitOptions
    @OptionGroup(title: "Limits") var neighborLimits: NeighborLimitOptions

    /// The network that the options describe. With --config, its settings are the defaults for the networks of the
    /// file.
    var order: NetworkOrder {
        get throws(CommandFailure) {
            var configuration = VirtualNetwork.Configuration(network, bridge, limits)
            configuration.shards = bridge.shards ?? bridge.queues ?? 0
            configuration.isolate = isolate
            neighborLimits.apply(to: &configuration.limits)
            try agents.apply(to: &configuration)
            return NetworkOrder(
                name: NetworkOrder.onlyName, configuration: configuration,
                isNetworkChosen: network.network != nil, socketMode: socketMode,
                links: listen.map { LinkOrder(address: $0.address, mode: socketMode, terms: $0.terms) },
                publish: publish,
                agentForwards: agents.forward)
        }
    }

    func validate() throws { try PublishSpecification.refuseConflicts(publish) }

    func run() throws {
        let service = ServiceManager.claim()
        let source = ConfigurationSource(path: config, options: try order, inherited: service.links)
        var orders = try source.read()
        orders[0].portListeners = service.ports
        guard orders.contains(where: { !$0.links.isEmpty }) else {
            throw CommandFailure(
                "there is no link to listen on: give --listen LINK, or \"listen\" in the file of --config",
                status: ExitStatus.usage)
        }
        let ready = bridge.readyDescriptor.map(ReadyNotice.init)
        ready?.claim()
        let signals = try SignalInbox()
        BridgeProcess.prepare(bridge.sandbox)
        var daemon = try Daemon(
            orders, source: source, service: service, ready: ready,
            statistics: bridge.statisticsFile.map(StatisticsFile.init), control: control.order,
            state: state.order(name: control.name))
        daemon.run(signals)
    }
}
