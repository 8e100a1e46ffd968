internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayContainment
internal import RingwayUsage

/// The command line of the agent.
public enum AgentCommand {
    /// The exit statuses, on which scripts may rely.
    enum ExitStatus {
        static let failure: Int32 = 1
        static let usage: Int32 = 2
    }

    /// The request on the command line.
    enum Request: Equatable {
        case run(AgentOptions)
        /// The arguments of the Docker engine's proxy.
        case dockerProxy([String])
        /// A page of help, or the version.
        case print(String)
    }

    /// Runs the command line and ends the process.
    public static func run() -> Never {
        // Swift's backtracer would write registers and memory, including payload and tokens, to standard error. So
        // the default actions of crash signals are restored, unless the user has set up the backtracer.
        if getenv("SWIFT_BACKTRACE") == nil { ringway_reset_crash_signals() }
        run((0..<Int(CommandLine.argc)).compactMap { CommandLine.unsafeArgv[$0].map { text(of: $0) } })
    }

    /// The bytes of an argument or of the environment as text (ringway_text.h).
    static func text(of bytes: UnsafePointer<CChar>) -> String {
        guard let text = ringway_text_from_bytes(bytes) else { return "" }
        defer { free(text) }
        return String(cString: text)
    }

    private static func run(_ arguments: [String]) -> Never {
        do throws(UsageFailure) {
            switch try request(arguments) {
            case .dockerProxy(let words): DockerProxy.run(words)
            case .print(let text):
                print(text)
                exit(0)
            case .run(let options): runAgent(options)
            }
        } catch {
            fail(error.description, status: ExitStatus.usage)
        }
    }

    /// The request of a command line.
    ///
    /// - Parameter arguments: the first one is the program's name.
    static func request(_ arguments: [String]) throws(UsageFailure) -> Request {
        let program = arguments.first.map { String($0.split(separator: "/").last ?? "") } ?? ""
        var words = Array(arguments.dropFirst())
        // Docker's engine gives its proxy options with a single dash, but no command. So the program's name, or
        // `-proto` as the first option, stands for the command.
        if program == "docker-proxy" { words.insert(program, at: 0) }
        guard let command = words.first else {
            throw UsageFailure("no command is given; try \"ringway-agent --help\"")
        }
        if command == "-proto" || command.hasPrefix("-proto=") { return .dockerProxy(words) }
        let rest = Array(words.dropFirst())
        let wantsHelp = rest.contains { ["--help", "-h", "-help"].contains($0) }
        switch command {
        case "run": return wantsHelp ? .print(AgentHelp.page(AgentHelp.run)) : .run(try AgentOptions(rest))
        case "docker-proxy": return wantsHelp ? .print(AgentHelp.page(AgentHelp.dockerProxy)) : .dockerProxy(rest)
        case "--version": return .print("ringway-agent, protocol \(AgentProtocol.version)")
        case "--help", "-h", "help": return .print(AgentHelp.page(try page(of: command == "help" ? rest.first : nil)))
        default:
            if command.hasPrefix("-") {
                let question = Suggestion.question(command, among: ["--help", "--version"])
                let advice = question.isEmpty ? "; try \"ringway-agent --help\"" : question
                throw UsageFailure("unknown option \"\(command)\"\(advice)")
            }
            throw unknownCommand(command)
        }
    }

    private static func page(of command: String?) throws(UsageFailure) -> String {
        switch command {
        case nil, "help": return AgentHelp.root
        case "run": return AgentHelp.run
        case "docker-proxy": return AgentHelp.dockerProxy
        case let other?: throw unknownCommand(other)
        }
    }

    private static func unknownCommand(_ command: String) -> UsageFailure {
        let question = Suggestion.question(command, among: AgentHelp.commands)
        return UsageFailure(
            "unknown command \"\(command)\"\(question.isEmpty ? "; try \"ringway-agent --help\"" : question)")
    }

    private static func runAgent(_ options: AgentOptions) -> Never {
        do {
            let agent = try Agent(options)
            contain(options.sandbox, as: .agent(mounts: agent.mountsNameServers))
            try agent.run()
        } catch {
            fail("\(error)", status: ExitStatus.failure)
        }
        exit(0)
    }

    /// Contains the process, which must have one thread, and says which layers this kernel lacks.
    static func contain(_ mode: Containment.Mode, as profile: Profile) {
        Containment.enter(mode, as: profile)
        for layer in Containment.layers {
            if let obstacle = layer.obstacle { say("sandbox: no \(layer.name): \(obstacle)") }
        }
    }

    /// Writes the reason in one line, and exits.
    static func fail(_ reason: String, status: Int32) -> Never {
        say(reason)
        exit(status)
    }

    /// Writes one line to standard error.
    static func say(_ line: String) {
        let bytes = Array("ringway-agent: \(line)\n".utf8)
        _ = write(2, bytes, bytes.count)
    }
}
