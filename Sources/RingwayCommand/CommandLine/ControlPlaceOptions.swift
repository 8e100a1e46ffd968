internal import ArgumentParser

/// The options for the location of a network's control socket.
struct ControlPlaceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The network's name, for \"ringway status --name NAME\" and the like; an error if it is taken.",
            discussion: """
                The control socket is NAME.sock in $XDG_RUNTIME_DIR/ringway, for root without that variable in \
                /run/ringway. Without --name it is that of the namespace under attach --netns, attach-PID under attach \
                --pid, run-PID under run, PID being ringway's own there, and under serve "default" or the names in the \
                file. Where such a name is taken -2, -3 and so on is added.
                """, valueName: "name"),
        transform: OptionValue.networkName)
    var name: String?

    @Option(
        help: ArgumentHelp("Where the control socket is. (default: as --name says)", valueName: "path"),
        transform: OptionValue.file)
    var control: String?

    @Flag(name: .customLong("no-control"), help: "Have no control socket.")
    var noControl = false

    var order: ControlOrder {
        if noControl { return .none }
        if let control { return .path(control, name: name) }
        return name.map { .name($0) } ?? .derived
    }

    func validate() throws {
        if noControl, control != nil || name != nil {
            throw ValidationError("--no-control excludes --control and --name")
        }
    }
}
