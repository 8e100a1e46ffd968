internal import ArgumentParser
internal import Glibc

/// `ringway attach`: an interface for an existing namespace.
struct AttachCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach",
        abstract: "Attach a network to an existing network namespace.",
        usage: "ringway attach [<options>] (--netns <name or path> | --pid <pid>)",
        discussion: HelpText.attach)

    @Option(
        help: ArgumentHelp(
            "The namespace: its name as \"ip netns\" shows it, or a path, which has a slash.",
            valueName: "name or path")
    )
    var netns: String?

    @Option(help: ArgumentHelp("Attach to the network namespace of this process.", valueName: "pid"))
    var pid: Int32?

    @Flag(
        name: .customLong("write-netns-resolv"),
        help: ArgumentHelp(
            "With a namespace of \"ip netns\": write /etc/netns/NAME/resolv.conf, and put back at the end what was there.",
            discussion: """
                Programs that "ip netns exec NAME" starts from then on find the gateway's name server. Without it \
                nothing is written.
                """))
    var writesNetnsResolver = false

    @Flag(
        name: .customLong("no-default-route"),
        help: "Add no default routes: the namespace keeps its own, and reaches only the addresses of this network.")
    var noDefaultRoute = false

    @OptionGroup(title: "Guest options") var guest: GuestOptions
    @OptionGroup(title: "Network options") var network: NetworkOptions
    @OptionGroup(title: "Control") var control: ControlPlaceOptions
    @OptionGroup(title: "Bridge options") var bridge: BridgeOptions
    @OptionGroup(title: "Limits") var limits: LimitOptions

    /// The namespace to attach to; `nil` unless exactly one of --netns and --pid is given.
    var origin: GuestOrigin? {
        switch (netns, pid) {
        case (let path?, nil): .path(path)
        case (nil, let process?): .process(process)
        default: nil
        }
    }

    func validate() throws {
        guard origin != nil else {
            throw ValidationError(
                netns == nil
                    ? "the namespace is missing: give --netns PATH or --pid PID"
                    : "--netns and --pid exclude each other")
        }
        if let pid, pid <= 0 { throw ValidationError("--pid \(pid) is not a process") }
        if writesNetnsResolver, pid != nil {
            throw ValidationError("--write-netns-resolv is for --netns; the files of a process are left as they are")
        }
        if netns == "" { throw ValidationError("--netns is empty") }
    }

    func run() throws {
        guard let origin = try origin?.found() else { return }
        var resolver: NetnsResolver?
        if writesNetnsResolver, case .path(let path) = origin {
            resolver = NetnsResolver(namespace: path)
            guard resolver != nil else {
                throw CommandFailure(
                    "--write-netns-resolv: \(path) is no namespace of \"ip netns\", which are in /run/netns",
                    status: ExitStatus.usage)
            }
        }
        let order = try BridgeOrder(
            guest: guest, network: network, bridge: bridge, limits: limits, control: control.order, origin: origin,
            setsDefaultRoutes: !noDefaultRoute, netnsResolver: resolver)
        throw ExitCode(try AttachedBridge(order).run())
    }
}
