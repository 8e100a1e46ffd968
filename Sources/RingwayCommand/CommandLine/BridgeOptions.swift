internal import ArgumentParser

/// The options that say how the bridge does its work, and what it tells others about it.
struct BridgeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Threads that carry traffic, 1 to 64. (default: one per core)", valueName: "count"),
        transform: OptionValue.shards)
    var shards: Int?

    @Option(
        help: ArgumentHelp(
            "Queues of the guest's interface, one for each shard; another name for --shards.", valueName: "count"),
        transform: OptionValue.queues)
    var queues: Int?

    @Option(
        help: ArgumentHelp("The name of the guest's interface. (default: eth0)", valueName: "name"),
        transform: OptionValue.interfaceName)
    var ifname: String = "eth0"

    @Option(
        help: ArgumentHelp(
            "Write every frame to this file, as pcapng, which Wireshark and tcpdump read.", valueName: "file"),
        transform: OptionValue.file)
    var capture: String?

    @Option(
        name: .customLong("statistics"),
        help: ArgumentHelp(
            "Keep the counters in this file, as one JSON object, renewed each second and at the end.",
            valueName: "file"),
        transform: OptionValue.file)
    var statisticsFile: String?

    @Option(
        name: .customLong("ready-fd"),
        help: ArgumentHelp(
            "Write the line \"ready\" to this descriptor, and close it, when the network is up.", valueName: "n"),
        transform: OptionValue.openDescriptor)
    var readyDescriptor: Int32?

    /// The threads to start and the queues to open: as many as were asked for, or one per core the process may use.
    var queueCount: Int { shards ?? queues ?? min(Processors.count, OptionValue.maximumShards) }

    func validate() throws {
        guard shards == nil || queues == nil || shards == queues else {
            throw ValidationError("--shards and --queues differ: each shard has one queue")
        }
    }
}
