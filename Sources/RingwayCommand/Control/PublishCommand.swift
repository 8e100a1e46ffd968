internal import ArgumentParser

/// `ringway publish`: publishes, removes and lists ports of a running network.
struct PublishCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Publish ports of guests on the host, remove them, list them.",
        usage: "ringway publish (add | rm | ls | sync) [<options>] ...",
        discussion: HelpText.publish,
        subcommands: [PublishAdd.self, PublishRemove.self, PublishList.self, PublishSync.self])

    func run() throws {
        throw CommandFailure(
            "publish needs a command: add, rm, ls or sync; try \"ringway publish --help\"", status: ExitStatus.usage)
    }
}

/// The option for the owner of the ports.
struct OwnerOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Who publishes: \"sync\" leaves the ports of other owners alone. (default: api)", valueName: "name"),
        transform: OptionValue.owner)
    var owner: String?
}
