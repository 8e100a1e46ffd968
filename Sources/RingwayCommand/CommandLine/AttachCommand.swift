internal import ArgumentParser
internal import Glibc

/// `ringway attach`: an interface for a namespace that exists already.
struct AttachCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach",
        abstract: "Give a network namespace that exists already a network.",
        usage: "ringway attach [<options>] (--netns <name or path> | --pid <pid>)",
        discussion: HelpText.attach)

    @Option(
        help: ArgumentHelp(
            "The namespace: its name as \"ip netns\" shows it, or a path, which has a slash.",
            valueName: "name or path")
    )
    var netns: String?

    @Option(help: ArgumentHelp("A process; the namespace is the one it is in.", valueName: "pid"))
    var pid: Int32?

    @OptionGroup(title: "Guest options") var guest: GuestOptions
    @OptionGroup(title: "Network options") var network: NetworkOptions
    @OptionGroup(title: "Control") var control: ControlPlaceOptions
    @OptionGroup(title: "Bridge options") var bridge: BridgeOptions
    @OptionGroup(title: "Limits") var limits: LimitOptions

    /// The namespace that was named.
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
        if netns == "" { throw ValidationError("--netns is empty") }
    }

    func run() throws {
        guard let origin = try origin?.found() else { return }
        let order = try BridgeOrder(
            guest: guest, network: network, bridge: bridge, limits: limits, control: control.order, origin: origin)
        throw ExitCode(try AttachedBridge(order).run())
    }
}
