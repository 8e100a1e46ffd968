internal import ArgumentParser
internal import Ringway
internal import RingwayControl

/// `ringway publish sync`: publishes the given ports, and removes all others of the same owner.
struct PublishSync: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "Publish these ports and no others.",
        usage: "ringway publish sync [<options>] [--file <file>] [<publish>...]", discussion: HelpText.publishSync)

    @OptionGroup var control: ControlOptions
    @OptionGroup var owner: OwnerOption

    @Option(
        help: ArgumentHelp(
            "Read ports from this file too, one on each line; \"-\" is standard input. What follows a # is a comment.",
            valueName: "file"),
        transform: OptionValue.file)
    var file: String?

    @Flag(help: "Print the answer of the control API, one JSON object.")
    var json = false

    @Argument(
        help: ArgumentHelp(
            "Ports as serve --publish has them, such as 8080:80 or web=127.0.0.1:53:53/udp.", valueName: "publish"),
        transform: PublishSpecification.parseForGuest)
    var ports: [PortForward] = []

    func validate() throws {
        guard file != nil || !ports.isEmpty else {
            throw ValidationError("no port is given; to remove all of them, give an empty file with --file")
        }
    }

    func run() throws {
        let wanted = try ports + (file.map(Self.read) ?? [])
        let body = JSONWriter.text { writer in
            writer.object { writer in
                if let owner = owner.owner { writer.member("owner", owner) }
                writer.member("forwards", wanted) { ForwardText.write($1, owner: nil, to: &$0) }
            }
        }
        let changes = try control.client().ask("PUT", "/v1/forwards", body: body)
        if json { return print(ForwardText.json(changes)) }
        for forward in changes["removed"]?.elements ?? [] { print("- \(ForwardText.text(forward))") }
        for forward in changes["added"]?.elements ?? [] { print("+ \(ForwardText.text(forward))") }
        print("\(changes["kept"]?.elements.count ?? 0) kept")
    }

    /// Reads the ports in a file.
    private static func read(_ path: String) throws -> [PortForward] {
        var forwards: [PortForward] = []
        for (number, line) in try TextFile.lines(of: path).enumerated() {
            let text = line.prefix { $0 != "#" }.filter { !$0.isWhitespace }
            guard !text.isEmpty else { continue }
            do {
                forwards.append(try PublishSpecification.parseForGuest(String(text)))
            } catch {
                throw CommandFailure(
                    "\(path):\(number + 1): \"\(text)\": \(error)", status: ExitStatus.usage)
            }
        }
        return forwards
    }
}
