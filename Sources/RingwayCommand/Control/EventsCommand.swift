internal import ArgumentParser
internal import Glibc
internal import RingwayControl

/// `ringway events`: prints the events of a network.
struct EventsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "Print the events of a network, until it ends.", discussion: HelpText.events)

    @OptionGroup var control: ControlOptions

    @Flag(help: "Print each event as JSON, an object on each line.")
    var json = false

    func run() throws {
        let client = try control.client()
        do throws(ControlClient.Failure) {
            try client.events { data in
                let line = json ? data : Self.line(data)
                print(line)
                // Each line is flushed at once, even if standard output is a pipe or file.
                return fflush(nil) == 0
            }
        } catch {
            throw CommandFailure(error.description)
        }
        throw CommandFailure("\(client.path) has ended")
    }

    private static func line(_ data: String) -> String {
        guard let event = try? JSONReader.read(Array(data.utf8)) else { return data }
        if event["event"]?.text == "lost" { return "\(event["count"]?.int ?? 0) events are lost: read too slowly" }
        var moment = time_t(event["time"]?.int ?? 0)
        var parts = tm()
        localtime_r(&moment, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let clock = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        return "\(clock) \(event["message"]?.text ?? data)"
    }
}
