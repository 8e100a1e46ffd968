internal import ArgumentParser
internal import Ringway

/// One option per bound. The defaults are those of `Limits`, which also makes the table in the help.
struct LimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Flows of a guest, of all kinds.", valueName: "count"), transform: OptionValue.count)
    var maxFlows: Int?

    @Option(
        help: ArgumentHelp("Connections that wait for the host's answer.", valueName: "count"),
        transform: OptionValue.count)
    var maxHalfOpen: Int?

    @Option(help: ArgumentHelp("UDP mappings of a guest.", valueName: "count"), transform: OptionValue.count)
    var maxUdpMappings: Int?

    @Option(help: ArgumentHelp("Ping mappings of a guest.", valueName: "count"), transform: OptionValue.count)
    var maxPingMappings: Int?

    @Option(help: ArgumentHelp("DNS exchanges under way.", valueName: "count"), transform: OptionValue.count)
    var maxNameQueries: Int?

    @Option(
        help: ArgumentHelp("Datagrams being put together from fragments.", valueName: "count"),
        transform: OptionValue.count)
    var maxFragments: Int?

    @Option(
        help: ArgumentHelp("Memory for frames, per shard: octets, or with K, M, G.", valueName: "size"),
        transform: OptionValue.size)
    var poolSize: Int?

    @Option(
        help: ArgumentHelp("What one flow may hold while its receiver is slow.", valueName: "size"),
        transform: OptionValue.size)
    var parkSize: Int?

    @Option(
        help: ArgumentHelp("What one flow may hold out of order.", valueName: "size"),
        transform: OptionValue.size)
    var reorderSize: Int?

    /// The bounds to work within.
    var limits: Limits {
        var limits = Limits()
        if let maxFlows { limits.flowsPerGuest = maxFlows }
        if let maxHalfOpen { limits.halfOpenConnects = maxHalfOpen }
        if let maxUdpMappings { limits.udpMappings = maxUdpMappings }
        if let maxPingMappings { limits.pingMappings = maxPingMappings }
        if let maxNameQueries { limits.nameQueries = maxNameQueries }
        if let maxFragments { limits.fragments = maxFragments }
        if let poolSize { limits.poolOctetsPerShard = poolSize }
        if let parkSize { limits.parkOctetsPerFlow = parkSize }
        if let reorderSize { limits.outOfOrderOctetsPerFlow = reorderSize }
        return limits
    }
}
