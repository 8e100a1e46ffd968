internal import ArgumentParser
internal import Ringway
internal import RingwayContainment

/// The options of the process that carries the traffic: its threads, kernel interface, output files and sandbox.
struct BridgeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Threads that carry the traffic of all guests, 1 to 64. (default: half the processors)", valueName: "count"),
        transform: OptionValue.shards)
    var shards: Int?

    @Option(
        help: ArgumentHelp(
            "Queues of a guest's interface, one for each shard; another name for --shards.", valueName: "count"),
        transform: OptionValue.queues)
    var queues: Int?

    @Option(
        help: ArgumentHelp(
            "How long a thread polls for work before it sleeps, if its recent waits were short; 0 never polls. "
                + "(default: 30, or 0 with more shards than half the processors)", valueName: "microseconds"),
        transform: OptionValue.busyPoll)
    var busyPoll: Int?

    @Option(
        help: ArgumentHelp(
            "The kernel interface: io_uring, or epoll where that is missing or forbidden. "
                + "(default: io_uring if it works here, else epoll)", valueName: "name"),
        transform: OptionValue.reactor)
    var reactor: Reactor?

    @Option(
        help: ArgumentHelp(
            "Write every frame to this file, as pcapng, which Wireshark and tcpdump read.", valueName: "file"),
        transform: OptionValue.file)
    var capture: String?

    @OptionGroup var captureOptions: CaptureOptionGroup

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
            "Write the line \"ready\" to this descriptor, and close it, when the network is up.",
            discussion: """
                After it comes a line "port FORWARD" for each forward whose host port was chosen, such as \
                "port 49153:80/tcp" for -p 80.
                """, valueName: "n"),
        transform: OptionValue.openDescriptor)
    var readyDescriptor: Int32?

    @Option(
        help: ArgumentHelp(
            "Limit what a guest that takes this process over can do: on, off, or log, which refuses no system call and "
                + "lets the kernel log what would be refused. (default: on)",
            valueName: "mode"),
        transform: OptionValue.sandbox)
    var sandbox = Containment.Mode.on

    /// The number of threads and queues: as requested, or the library's default.
    var queueCount: Int { shards ?? queues ?? VirtualNetwork.Configuration.defaultShardCount }

    func validate() throws {
        try captureOptions.check(hasFile: capture != nil)
        guard shards == nil || queues == nil || shards == queues else {
            throw ValidationError("--shards and --queues differ: each shard has one queue")
        }
    }
}
