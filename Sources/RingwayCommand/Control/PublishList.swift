internal import ArgumentParser
internal import RingwayControl

/// `ringway publish ls`.
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
        let rows = [["ID", "PORTS", "STATE", "OWNER", ""]] + forwards.map(Self.cells)
        for line in TextTable.lines(rows) { print(line) }
    }

    private static func cells(_ forward: JSONValue) -> [String] {
        let number = forward["id"]?.int ?? 0
        let owner = forward["owner"]?.text ?? ""
        return [
            "\(number)", ForwardText.text(forward), forward["state"]?.text ?? "", owner.isEmpty ? "-" : owner,
            forward["problem"]?.text ?? "",
        ]
    }
}
