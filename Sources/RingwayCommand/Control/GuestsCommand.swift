internal import ArgumentParser
internal import RingwayControl

/// `ringway guests`: who is attached.
struct GuestsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guests", abstract: "List the guests of a network.", discussion: HelpText.guests)

    @OptionGroup var control: ControlOptions

    @Flag(help: "Print the answer of the control API, one JSON object.")
    var json = false

    func run() throws {
        let client = try control.client()
        if json { return print(try client.text("/v1/guests")) }
        let rows = (try client.ask("GET", "/v1/guests")["guests"]?.elements ?? []).map { guest in
            func text(_ key: String) -> String { guest[key]?.text ?? "" }
            return [
                "\(guest["id"]?.integer ?? 0)", text("name"), text("mac"), text("ipv4"),
                "\(guest["flows"]?.integer ?? 0)", OctetText.text(guest["octetsFromGuest"]?.integer ?? 0),
                OctetText.text(guest["octetsToGuest"]?.integer ?? 0), text("link"),
            ]
        }
        for line in TextTable.lines([["ID", "NAME", "MAC", "IPV4", "FLOWS", "FROM", "TO", "LINK"]] + rows) {
            print(line)
        }
    }
}
