internal import ArgumentParser

/// `ringway`: the root of all subcommands.
struct RootCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ringway",
        abstract: "User-mode network stack for virtual machines and network namespaces.",
        discussion: HelpText.root,
        version: "ringway \(Version.text)",
        subcommands: [
            RunCommand.self, AttachCommand.self, ServeCommand.self, ListCommand.self, PublishCommand.self,
            StatusCommand.self, GuestsCommand.self, FlowsCommand.self, EventsCommand.self, CaptureCommand.self,
            DoctorCommand.self,
        ])
}
