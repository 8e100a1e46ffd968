internal import ArgumentParser
internal import RingwayControl
internal import RingwayUsage

/// `ringway flows`: the current flows, continuously updated on a terminal.
struct FlowsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "flows", abstract: "Show the flows of a network.", usage: "ringway flows [<options>]",
        discussion: HelpText.flows)

    @OptionGroup var control: ControlOptions

    @Flag(help: "Print the answer of the control API, one JSON object.")
    var json = false

    @Flag(help: "Print one table, on a terminal too.")
    var once = false

    @Option(
        help: ArgumentHelp(
            "What is on top: \(FlowTable.Order.allCases.map(\.rawValue).joined(separator: ", ")). (default: total)",
            valueName: "what"),
        transform: FlowsCommand.order)
    var sort: FlowTable.Order = .total

    @Option(help: ArgumentHelp("The most flows that are asked for, 1 to 4096. (default: 1000)", valueName: "count"))
    var limit: Int = 1_000

    @Option(help: ArgumentHelp("The number of the guest whose flows are wanted.", valueName: "id"))
    var guest: UInt32?

    static func order(_ text: String) throws -> FlowTable.Order {
        guard let order = FlowTable.Order(rawValue: text) else {
            let all = FlowTable.Order.allCases.map(\.rawValue)
            throw ValidationError(
                "it must be one of \(all.joined(separator: ", "))" + Suggestion.question(text, among: all))
        }
        return order
    }

    func validate() throws {
        guard (1...4_096).contains(limit) else {
            throw ValidationError("--limit \"\(limit)\": it must be a number from 1 to 4096")
        }
    }

    private var target: String { "/v1/flows?limit=\(limit)" + (guest.map { "&guest=\($0)" } ?? "") }

    func run() throws {
        let client = try control.client()
        if json { return print(try client.text(target)) }
        // The first request is made before the screen is used, so that its error stays visible.
        var table = FlowTable()
        table.order = sort
        let first = try client.ask("GET", target)
        table.renew(first["flows"]?.elements ?? [], seconds: nil)
        if !once, let screen = Screen() { return try show(table, on: screen, client) }
        for line in table.lines() { print(line) }
        if first["complete"] == .bool(false) { print("There are more; --limit sets how many are shown.") }
    }

    private func show(_ first: FlowTable, on screen: consuming Screen, _ client: ControlClient) throws {
        var table = first
        var taken = ContinuousClock.now
        while true {
            let direction = table.isReversed ? ", reversed" : ""
            let head =
                "\(table.rows.count) flows, by \(table.order.rawValue)\(direction).  "
                + "s sorts by something else, r reverses, q ends"
            screen.draw([head, ""] + table.lines(limit: screen.size.rows - 3))
            let (key, isOver) = screen.key(within: 1_000)
            if isOver { return }
            switch key {
            case "q", "\u{3}", "\u{4}": return
            case "r":
                table.isReversed.toggle()
                table.sort()
            case "s":
                let all = FlowTable.Order.allCases
                table.order = all[((all.firstIndex(of: table.order) ?? 0) + 1) % all.count]
                table.sort()
            case nil:
                let answer = try client.ask("GET", target)
                let now = ContinuousClock.now
                let elapsed = (now - taken).components
                table.renew(
                    answer["flows"]?.elements ?? [],
                    seconds: Double(elapsed.seconds) + Double(elapsed.attoseconds) / 1e18)
                taken = now
            default: break
            }
        }
    }
}
