internal import ArgumentParser

/// The location of a network's state, from the command line.
enum StateOrder: Equatable {
    /// No state.
    case none
    /// The standard file, which is named after the network; `name` is the name given on the command line, if any.
    case standard(name: String?)
    /// This file, for a single network.
    case file(String)

    /// Throws if one file is given for several networks.
    func check(_ orders: [NetworkOrder]) throws(CommandFailure) {
        guard case .file = self, orders.count > 1 else { return }
        throw CommandFailure("--state is for a single network, and the file has several", status: ExitStatus.usage)
    }
}

/// The options for the state that `serve` keeps across restarts.
struct StateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Keep what a restart should not change in this file: leases, guests' names, the IPv6 prefix and ports "
                + "published at run time.",
            discussion: """
                Without it the file is NAME.json in $XDG_STATE_HOME/ringway, for root without that variable in \
                /var/lib/ringway, else in ~/.local/state/ringway. A network without a name finds the file again by the \
                links that it listens at.
                """, valueName: "file"),
        transform: OptionValue.file)
    var state: String?

    @Flag(name: .customLong("no-state"), help: "Keep no state after the network ends.")
    var noState = false

    func validate() throws {
        if noState, state != nil { throw ValidationError("--no-state excludes --state") }
    }

    /// The location that the options select.
    ///
    /// - Parameter name: the network's name from the command line, if any.
    func order(name: String?) -> StateOrder {
        if noState { return .none }
        return state.map { .file($0) } ?? .standard(name: name)
    }
}
