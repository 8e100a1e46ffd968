internal import ArgumentParser
internal import RingwayControl

/// `ringway guests`: lists the attached guests.
struct GuestsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guests", abstract: "List the guests of a network.", discussion: HelpText.guests)

    @OptionGroup var control: ControlOptions

    @Flag(help: "Print the answer of the control API, one JSON object.")
    var json = false

    func run() throws {
        let client = try control.client()
        if json { return print(try client.text("/v1/guests")) }
        let guests = try client.ask("GET", "/v1/guests")["guests"]?.elements ?? []
        let rows = [["ID", "NAME", "MAC", "IPV4", "FLOWS", "FROM", "TO", "LINK"]] + guests.map(Self.cells)
        for line in TextTable.lines(rows) { print(line) }
    }

    private static func cells(_ guest: JSONValue) -> [String] {
        func text(_ key: String) -> String { guest[key]?.text ?? "" }
        func number(_ key: String) -> Int { guest[key]?.int ?? 0 }
        return [
            "\(number("id"))", text("name"), text("mac"), text("ipv4"), "\(number("flows"))",
            ByteText.text(number("octetsFromGuest")), ByteText.text(number("octetsToGuest")), text("link"),
        ]
    }
}
