internal import ArgumentParser
internal import RingwayControl

/// `ringway status`: an overview of a network.
struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show the state of a network.", discussion: HelpText.status)

    @OptionGroup var control: ControlOptions

    @Flag(help: "Print the answer of the control API, one JSON object, with every counter.")
    var json = false

    func run() throws {
        let report = StatusReport(status: try control.client().ask("GET", "/v1/status"))
        if json { return print(ForwardText.json(report.json)) }
        for line in report.lines { print(line) }
    }
}

/// Byte counts for display.
enum ByteText {
    static func text(_ bytes: Int) -> String {
        var value = bytes * 10
        for unit in ["", "K", "M", "G"] {
            if value < 10_240 { return unit.isEmpty ? "\(bytes)" : "\(value / 10).\(value % 10)\(unit)" }
            value /= 1_024
        }
        return "\(value / 10).\(value % 10)T"
    }
}
