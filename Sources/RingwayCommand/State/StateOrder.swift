internal import ArgumentParser

/// The place of a network's state, from the command line.
enum StateOrder: Equatable {
    /// Nowhere.
    case none
    /// In a file with the network's name, which the command line gives or not.
    case standard(name: String?)
    /// In this file, by the only network.
    case file(String)

    /// Whether several networks can follow the order.
    func check(_ orders: [NetworkOrder]) throws(CommandFailure) {
        guard case .file = self, orders.count > 1 else { return }
        throw CommandFailure("--state is for a single network, and the file has several", status: ExitStatus.usage)
    }
}

/// The state that `serve` keeps across restarts, and its place.
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

    @Flag(name: .customLong("no-state"), help: "Remember nothing beyond the end.")
    var noState = false

    func validate() throws {
        if noState, state != nil { throw ValidationError("--no-state excludes --state") }
    }

    /// - Parameter name: the network's name, where the command line gives it one.
    func order(name: String?) -> StateOrder {
        if noState { return .none }
        return state.map { .file($0) } ?? .standard(name: name)
    }
}
