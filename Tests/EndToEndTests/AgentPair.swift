import Foundation

/// `ringway serve` on the bed's host and `ringway-agent` in a namespace that acts as guest, connected by a unix socket.
final class AgentPair {
    let bed: TestBed
    let guest: String
    private(set) var service: Program
    private(set) var agent: Program
    private let serviceArguments: [String]
    private let agentArguments: [String]

    /// Starts both and waits until the guest has its network.
    ///
    /// - Parameters:
    ///   - queues: of the guest's interface.
    ///   - options: of `serve`.
    ///   - agentOptions: further options of the agent.
    ///   - name: of the guest's namespace, if a test has several.
    ///   - terms: of the link, after its address.
    init(
        _ bed: TestBed, queues: Int = 1, _ options: [String] = [], agentOptions: [String] = [], name: String = "guest",
        terms: String = ""
    ) throws {
        self.bed = bed
        guest = try bed.makeNamespace(name)
        serviceArguments =
            [
                Machine.ringway, "serve", "--listen", "unix:\(bed.directory)/agent.sock\(terms)", "--ipv6-prefix",
                Family.prefix,
            ] + (options.contains("--max-queues") ? [] : ["--max-queues", "\(max(1, queues))"]) + options
        agentArguments =
            [
                Machine.agent, "run", "--host", "unix:\(bed.directory)/agent.sock", "--queues", "\(queues)",
                "--configure", "--resolv-conf", "", "--request-socket", "\(bed.directory)/requests.sock",
            ] + agentOptions
        service = try bed.start(serviceArguments)
        agent = try bed.start(agentArguments, in: guest)
        try waitForConnection()
    }

    private func waitForConnection() throws {
        let agent = agent
        try waitUntil("the agent's connection: \(agent.errors)") { agent.errors.contains("connected") }
    }

    /// Ends both.
    func end() {
        agent.end()
        service.end()
    }

    /// A process in the guest besides the agent, by which programs find its namespace.
    func makeWitness() throws -> pid_t {
        let witness = try bed.start(["cat"], in: guest, keepsInput: true)
        try waitUntil("the witness") { try witness.isRunning && namespace(of: witness.identifier) }
        return witness.identifier
    }

    /// Whether a process has entered the guest's namespace.
    private func namespace(of process: pid_t) throws -> Bool {
        let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/net")
        let agent = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(agent.identifier)/ns/net")
        return link != nil && link == agent
    }

    /// Kills the host's side and starts it again.
    func restartService() throws {
        service.send(SIGKILL)
        _ = try service.waitForEnd()
        service = try bed.start(serviceArguments)
    }

    /// Kills the agent and starts it again.
    func restartAgent() throws {
        agent.send(SIGKILL)
        _ = try agent.waitForEnd()
        agent = try bed.start(agentArguments, in: guest)
        try waitForConnection()
    }

    func run(_ arguments: [String], within limit: Duration = .seconds(60)) throws -> Program.Outcome {
        try bed.run(arguments, in: guest, within: limit)
    }

    /// Starts one of the tests' programs in the guest and waits until it listens.
    func serve(_ program: String, _ arguments: [String]) throws -> Program {
        try bed.serve(program, arguments, in: guest)
    }

    /// Waits until the guest gets an answer to an echo request.
    func waitForNetwork() throws {
        try waitUntil("the guest's network") { try run(["ping", "-c", "1", "-W", "1", Family.ipv4.host]).status == 0 }
    }

    /// Descriptors that a program has open.
    static func descriptors(of program: Program) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(program.identifier)/fd").count
    }
}
