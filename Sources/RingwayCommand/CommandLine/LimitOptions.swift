internal import ArgumentParser
internal import Ringway

/// The options for the limits of `run`, `attach` and `serve`. Defaults and descriptions are those of `Limits`. A size
/// is a number of bytes, or a number followed by K, M or G.
struct LimitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(HelpText.limit("--max-flows"), valueName: "count"),
        transform: OptionValue.limit("--max-flows"))
    var maxFlows: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--max-half-open"), valueName: "count"),
        transform: OptionValue.limit("--max-half-open"))
    var maxHalfOpen: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--max-udp-mappings"), valueName: "count"),
        transform: OptionValue.limit("--max-udp-mappings"))
    var maxUdpMappings: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--max-udp-peers"), valueName: "count"),
        transform: OptionValue.limit("--max-udp-peers"))
    var maxUdpPeers: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--max-ping-mappings"), valueName: "count"),
        transform: OptionValue.limit("--max-ping-mappings"))
    var maxPingMappings: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--max-name-queries"), valueName: "count"),
        transform: OptionValue.limit("--max-name-queries"))
    var maxNameQueries: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--max-fragments"), valueName: "count"),
        transform: OptionValue.limit("--max-fragments"))
    var maxFragments: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--max-spliced"), valueName: "count"),
        transform: OptionValue.limit("--max-spliced"))
    var maxSpliced: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--pool-size"), valueName: "size"),
        transform: OptionValue.limit("--pool-size"))
    var poolSize: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--park-size"), valueName: "size"),
        transform: OptionValue.limit("--park-size"))
    var parkSize: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--reorder-size"), valueName: "size"),
        transform: OptionValue.limit("--reorder-size"))
    var reorderSize: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--max-owners"), valueName: "count"),
        transform: OptionValue.limit("--max-owners"))
    var maxOwners: Int?

    @Option(help: ArgumentHelp(HelpText.limit("--udp-timeout"), valueName: "time"), transform: OptionValue.seconds)
    var udpTimeout: Int?

    @Option(help: ArgumentHelp(HelpText.limit("--dns-timeout"), valueName: "time"), transform: OptionValue.seconds)
    var dnsTimeout: Int?

    @Option(help: ArgumentHelp(HelpText.limit("--icmp-timeout"), valueName: "time"), transform: OptionValue.seconds)
    var icmpTimeout: Int?

    /// The default limits, with the given options applied.
    var limits: Limits {
        var limits = Limits()
        if let maxFlows { limits.flowsPerGuest = maxFlows }
        if let maxHalfOpen { limits.halfOpenConnects = maxHalfOpen }
        if let maxUdpMappings { limits.udpMappings = maxUdpMappings }
        if let maxUdpPeers { limits.udpPeers = maxUdpPeers }
        if let maxPingMappings { limits.pingMappings = maxPingMappings }
        if let maxNameQueries { limits.nameQueries = maxNameQueries }
        if let maxFragments { limits.fragments = maxFragments }
        if let maxSpliced { limits.splicedConnectionsPerShard = maxSpliced }
        if let poolSize { limits.poolBytesPerShard = poolSize }
        if let parkSize { limits.unsentBytesPerFlow = parkSize }
        if let reorderSize { limits.outOfOrderBytesPerFlow = reorderSize }
        if let maxOwners { limits.forwardOwners = maxOwners }
        if let udpTimeout { limits.udpTimeout = udpTimeout }
        if let dnsTimeout { limits.dnsTimeout = dnsTimeout }
        if let icmpTimeout { limits.icmpTimeout = icmpTimeout }
        return limits
    }
}

/// The options for the limits that only `serve` has, because they matter only to networks with several guests or with
/// agents.
struct NeighborLimitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(HelpText.limit("--max-guests"), valueName: "count"),
        transform: OptionValue.limit("--max-guests"))
    var maxGuests: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--max-addresses"), valueName: "count"),
        transform: OptionValue.limit("--max-addresses"))
    var maxAddresses: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--max-agent-ports"), valueName: "count"),
        transform: OptionValue.limit("--max-agent-ports"))
    var maxAgentPorts: Int?

    @Option(
        help: ArgumentHelp(HelpText.limit("--max-queues"), valueName: "count"),
        transform: OptionValue.limit("--max-queues"))
    var maxQueues: Int?

    /// Sets the limits for which an option is given.
    func apply(to limits: inout Limits) {
        if let maxGuests { limits.guestsPerNetwork = maxGuests }
        if let maxAddresses { limits.addressesPerGuest = maxAddresses }
        if let maxAgentPorts { limits.portsPerAgent = maxAgentPorts }
        if let maxQueues { limits.queuesPerGuest = maxQueues }
    }
}
