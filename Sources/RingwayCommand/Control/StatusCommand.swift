internal import ArgumentParser
internal import RingwayControl

/// `ringway status`: a network at a glance.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say how a network is doing.", discussion: HelpText.status)

    @OptionGroup var control: ControlOptions

    @Flag(help: "Print the answer of the control API, one JSON object, with every counter.")
    var json = false

    func run() throws {
        let client = try control.client()
        if json { return print(try client.text("/v1/status")) }
        let status = try client.ask("GET", "/v1/status")
        let network = status["network"]
        func number(_ key: String) -> String { "\(status[key]?.int ?? 0)" }
        let rows: [[String]] = [
            ["network", status["name"]?.text ?? "?"],
            [
                "served by",
                ServingProgram.text(version: status["version"]?.text ?? "?", process: status["pid"]?.int ?? 0),
            ],
            ["running for", Self.duration(status["uptimeSeconds"]?.int ?? 0)],
            ["addresses", "\(network?["ipv4"]?.text ?? "?"), \(network?["ipv6"]?.text ?? "?")"],
            ["guests", number("guests") + (status["isolate"] == .bool(true) ? ", isolated" : "")],
            ["flows", number("flows")],
            ["published", "\(number("publishedPorts")) ports in \(number("forwards")) forwards"],
            ["from guests", OctetText.text(status["counters"]?["octetsFromGuest"]?.int ?? 0)],
            ["to guests", OctetText.text(status["counters"]?["octetsToGuest"]?.int ?? 0)],
        ]
        for line in TextTable.lines(rows) { print(line) }
    }

    private static func duration(_ seconds: Int) -> String {
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let clock = "\(two(seconds / 3_600 % 24)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
        return seconds >= 86_400 ? "\(seconds / 86_400) d \(clock)" : clock
    }
}

/// Octets as people read them.
enum OctetText {
    static func text(_ octets: Int) -> String {
        var value = octets * 10
        for unit in ["", "K", "M", "G"] {
            if value < 10_240 { return unit.isEmpty ? "\(octets)" : "\(value / 10).\(value % 10)\(unit)" }
            value /= 1_024
        }
        return "\(value / 10).\(value % 10)T"
    }
}
