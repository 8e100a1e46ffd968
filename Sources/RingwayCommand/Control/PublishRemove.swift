internal import ArgumentParser
internal import Ringway
internal import RingwayControl

/// `ringway publish rm`: removes published ports.
struct PublishRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove published ports; their connections continue.",
        discussion: HelpText.publishRemove)

    /// The forward to remove: its number, or its specification.
    enum Target: Equatable {
        case number(Int)
        case forward(PortForward)
        case place(AgentForward)

        static func parse(_ text: String) throws -> Target {
            if let number = OptionValue.decimal(text) { return .number(number) }
            if ["=tcp:", "=udp:", "=unix:"].contains(where: text.contains) {
                return .place(try AgentForwardSpecification.parse(text))
            }
            return .forward(try PublishSpecification.parseForGuest(text))
        }
    }

    @OptionGroup var control: ControlOptions

    @Argument(
        help: ArgumentHelp("The number that \"ls\" shows, or what was published, as it was.", valueName: "what"),
        transform: Target.parse)
    var targets: [Target]

    func run() throws {
        let client = try control.client()
        let published = try client.ask("GET", "/v1/forwards")["forwards"]?.elements ?? []
        // All forwards are looked up before the first is removed, so that none is removed if one is unknown.
        let numbers = try targets.map { target in
            let found = published.first { forward in
                switch target {
                case .number(let number): forward["id"]?.int == number
                case .forward(let wanted):
                    ForwardText.read(forward) == wanted || ForwardText.requested(forward) == wanted
                case .place(let wanted): ForwardText.text(forward) == wanted.specification
                }
            }
            guard let number = found?["id"]?.int else {
                switch target {
                case .number(let number): throw CommandFailure("nothing is published under the number \(number)")
                case .forward(let forward): throw CommandFailure("\(forward) is not published")
                case .place(let place): throw CommandFailure("\(place.specification) is not forwarded")
                }
            }
            return number
        }
        for number in numbers {
            do throws(ControlClient.Failure) {
                _ = try client.request("DELETE", "/v1/forwards/\(number)")
            } catch {
                throw CommandFailure(error.description)
            }
        }
    }
}
