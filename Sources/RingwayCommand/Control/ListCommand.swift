internal import ArgumentParser
internal import Glibc
internal import RingwayControl

/// `ringway ls`: lists the running networks.
struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List the networks that are running.", discussion: HelpText.list)

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let networks = LiveNetwork.sockets().map { ($0, $0.status) }
        if json { return print(Self.json(networks)) }
        let rows = [["NAME", "KIND", "PID", "GUESTS", "SINCE", "VERSION", "FOR", "CONTROL"]] + networks.map(Self.cells)
        for line in TextTable.lines(rows) { print(line) }
    }

    static func json(_ networks: [(LiveNetwork, JSONValue?)]) -> String {
        let text = JSONWriter.text { writer in
            writer.object { writer in
                writer.member("networks", networks) { writer, network in
                    let (network, status) = network
                    writer.object { writer in
                        writer.member("name", network.name)
                        writer.member("control", network.client.path)
                        writer.member("responds", status != nil)
                        writer.member("pid", status?["pid"]?.int ?? network.process.map { Int($0) })
                        writer.member("kind", status?["kind"]?.text)
                        writer.member("target", status?["target"]?.text)
                        writer.member("version", status?["version"]?.text)
                        writer.member("guests", status?["guests"]?.int)
                        writer.member("startTime", status?["startTime"]?.int)
                        writer.member("uptimeSeconds", status?["uptimeSeconds"]?.int)
                    }
                }
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    private static func version(_ status: JSONValue?) -> String {
        guard let version = status?["version"]?.text else { return "?" }
        let isOld = ServingProgram.isOld(
            version: version, process: status?["pid"]?.int ?? 0,
            isReplaced: status?["programReplaced"]?.bool)
        return isOld ? "\(version) (old)" : version
    }

    private static func cells(_ network: LiveNetwork, _ status: JSONValue?) -> [String] {
        let process = status?["pid"]?.int ?? network.process.map { Int($0) }
        let since = status?["startTime"]?.int.map { ClockText.moment($0) } ?? "no response"
        return [
            network.name, status?["kind"]?.text ?? "?", process.map { "\($0)" } ?? "?",
            status?["guests"]?.int.map { "\($0)" } ?? "?", since, version(status), status?["target"]?.text ?? "?",
            network.client.path,
        ]
    }
}

/// Times for display.
enum ClockText {
    /// The local date and time of seconds since the epoch.
    static func moment(_ seconds: Int) -> String {
        var moment = time_t(seconds)
        var parts = tm()
        localtime_r(&moment, &parts)
        let date = "\(parts.tm_year + 1_900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return "\(date) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    }

    private static func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
