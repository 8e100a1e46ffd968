internal import ArgumentParser

/// `ringway run`: a new namespace for one command.
struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a command in a network namespace of its own.",
        usage: "ringway run [<options>] [-p <publish>]... [--] <command> [<argument>...]",
        discussion: HelpText.run)

    @OptionGroup(title: "Guest options") var guest: GuestOptions
    @OptionGroup(title: "Network options") var network: NetworkOptions
    @OptionGroup(title: "Control") var control: ControlPlaceOptions
    @OptionGroup(title: "Bridge options") var bridge: BridgeOptions
    @OptionGroup(title: "Limits") var limits: LimitOptions

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("The command, and its arguments, which are passed on untouched.", valueName: "command"))
    var captured: [String] = []

    /// COMMAND and its arguments.
    var command: [String] { captured.first == "--" ? Array(captured.dropFirst()) : captured }

    func validate() throws {
        // ArgumentParser captures unknown options before COMMAND as if they were COMMAND, so they are detected here.
        if let first = captured.first, first != "--", first.hasPrefix("-") {
            if first == "--help" || first == "-h" { throw CleanExit.helpRequest(Self.self) }
            if first == "--version" { throw CleanExit.message("ringway \(Version.text)") }
            throw ValidationError(UsageMessage(["run"]).unknownOption(first))
        }
        guard let name = command.first else {
            throw ValidationError("COMMAND is missing; try \"ringway run --help\"")
        }
        guard !name.isEmpty else { throw ValidationError("COMMAND is empty") }
    }

    func run() throws {
        let order = try BridgeOrder(
            guest: guest, network: network, bridge: bridge, limits: limits, control: control.order,
            origin: .command(command))
        throw ExitCode(try RunningBridge(order).run())
    }
}
