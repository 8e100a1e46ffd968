internal import ArgumentParser
internal import Ringway
internal import RingwayControl

/// `ringway publish add`: publishes ports, all or none of them.
struct PublishAdd: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Publish ports: all of them, or none.",
        usage: "ringway publish add [<options>] <publish>...", discussion: HelpText.publishAdd)

    @OptionGroup var control: ControlOptions
    @OptionGroup var owner: OwnerOption

    @Flag(help: "Print what was published as JSON, an object on each line.")
    var json = false

    @Argument(
        help: ArgumentHelp(
            "Ports as serve --publish has them, such as 8080:80 or web=127.0.0.1:53:53/udp; without a port of the host, "
                + "as in 80, a free one is chosen.",
            valueName: "publish"),
        transform: PublishSpecification.parseForGuest)
    var ports: [PortForward]

    func run() throws {
        let client = try control.client()
        var added: [JSONValue] = []
        do {
            for port in ports {
                let body = JSONWriter.text { ForwardText.write(port, owner: owner.owner, to: &$0) }
                added.append(try client.ask("POST", "/v1/forwards", body: body))
            }
        } catch {
            for forward in added { _ = try? client.request("DELETE", "/v1/forwards/\(forward["id"]?.int ?? 0)") }
            throw error
        }
        for forward in added {
            print(json ? ForwardText.json(forward) : "\(forward["id"]?.int ?? 0) \(ForwardText.text(forward))")
        }
    }
}

extension ForwardText {
    /// A value as JSON text.
    static func json(_ value: JSONValue) -> String {
        String(decoding: JSONWriter.text { $0.value(value) }, as: UTF8.self)
    }
}
