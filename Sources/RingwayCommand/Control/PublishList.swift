internal import ArgumentParser
internal import RingwayControl

/// `ringway publish ls`: lists published ports.
struct PublishList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List published ports.", discussion: HelpText.publishList)

    @OptionGroup var control: ControlOptions

    @Flag(help: "Print the answer of the control API, one JSON object.")
    var json = false

    func run() throws {
        let client = try control.client()
        if json { return print(try client.text("/v1/forwards")) }
        let forwards = try client.ask("GET", "/v1/forwards")["forwards"]?.elements ?? []
        for line in ForwardTable.lines(forwards) { print(line) }
    }
}
