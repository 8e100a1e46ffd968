import Foundation

/// A `ringway serve` on the bed's host.
final class Service {
    let program: Program
    private let bed: TestBed
    private let statisticsPath: String

    /// Starts it and waits until it says that guests may come.
    ///
    /// - Parameter launcher: what starts it, for one that is to have limits of its own.
    init(_ bed: TestBed, _ options: [String], launcher: [String] = []) throws {
        self.bed = bed
        statisticsPath = bed.directory + "/serve.json"
        let ends = try makePipe()
        defer { close(ends[0]) }
        let prefix = options.contains("--state") ? [] : ["--ipv6-prefix", Family.prefix]
        let arguments = launcher + [Machine.ringway, "serve", "--statistics", statisticsPath] + prefix + options
        program = try bed.start(arguments + ["--ready-fd", "3"], notice: ends[1])
        close(ends[1])
        var entry = pollfd(fd: ends[0], events: Int16(POLLIN), revents: 0)
        var bytes = [UInt8](repeating: 0, count: 16)
        guard poll(&entry, 1, 10_000) == 1, read(ends[0], &bytes, 16) > 0 else {
            let outcome = try program.waitForEnd(within: .seconds(5))
            throw TestFailure("serve did not start: status \(outcome.status), \(outcome.errors)")
        }
    }

    /// What it has said.
    var lines: String { program.errors }

    func waitForLine(_ text: String) throws {
        try waitUntil("\"\(text)\" from serve, which said \(lines)") { lines.contains(text) }
    }

    /// The counters of the whole network, or of one guest, not before they are as wanted.
    func waitForCounters(
        of guest: String? = nil, _ what: String, _ isWanted: ([String: Int]) -> Bool
    ) throws {
        var last: [String: Int] = [:]
        do {
            try waitUntil(what, within: .seconds(10)) {
                last = try counters(of: guest)
                return isWanted(last)
            }
        } catch {
            throw TestFailure("\(error): \(last.filter { $0.value != 0 })")
        }
    }

    private struct Report: Decodable {
        struct Network: Decodable {
            let counters: [String: Int]
            let guests: [String: [String: Int]]
        }
        let networks: [String: Network]
    }

    private func counters(of guest: String?) throws -> [String: Int] {
        guard let data = FileManager.default.contents(atPath: statisticsPath) else { return [:] }
        guard let network = try JSONDecoder().decode(Report.self, from: data).networks["default"] else { return [:] }
        return guest.map { network.guests[$0] ?? [:] } ?? network.counters
    }

    /// Ends it without giving it a chance.
    func kill() throws {
        program.send(SIGKILL)
        _ = try program.waitForEnd(within: .seconds(10))
    }

    /// Tells it to end.
    func end(_ signal: Int32 = SIGTERM) throws -> Program.Outcome {
        program.send(signal)
        return try program.waitForEnd(within: .seconds(10))
    }
}

/// A machine whose network card is a link to `ringway serve`: a namespace with a pump in place of QEMU.
final class VirtualMachine {
    let bed: TestBed
    let namespace: String
    private(set) var address = ""
    private var card: Program?

    init(_ bed: TestBed, _ name: String) throws {
        self.bed = bed
        namespace = try bed.makeNamespace(name)
    }

    /// Plugs the card in, and waits until it is.
    func plug(_ link: String, _ mac: String, local: String = "") throws {
        let card = try bed.start(["python3", Machine.program("machine.py"), link, mac, local], in: namespace)
        try card.waitForOutput("attached")
        self.card = card
    }

    /// Asks for an address by DHCP and configures the interface with it.
    func configure() throws {
        let lease = try bed.run(
            ["udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "20", "-T", "1", "-s", Machine.program("lease.sh")],
            in: namespace
        ).requireSuccess()
        guard let line = lease.split(separator: "\n").first(where: { $0.hasPrefix("address ") }) else {
            throw TestFailure("no lease: \(lease)")
        }
        try configure(String(line.dropFirst("address ".count)))
    }

    /// Configures the interface with an address without asking for it, as a machine does whose lease has not ended.
    func configure(_ address: String) throws {
        self.address = address
        try bed.configure(namespace, ["addr", "add", "\(address)/24", "dev", "eth0"])
        try bed.configure(namespace, ["route", "add", "default", "via", "192.168.127.1"])
    }

    /// The end of the machine, without a word to anybody.
    func kill() throws {
        card?.send(SIGKILL)
        try waitForUnplugging()
    }

    /// Waits for the end of the card, which goes with its link.
    func waitForUnplugging() throws {
        _ = try card?.waitForEnd()
        try waitUntil("the card's end") {
            try !bed.runAnywhere(["ip", "-n", namespace, "link"]).requireSuccess().contains("eth0")
        }
    }

    func start(_ arguments: [String]) throws -> Program { try bed.start(arguments, in: namespace) }

    func run(_ arguments: [String], within limit: Duration = .seconds(60)) throws -> Program.Outcome {
        try bed.run(arguments, in: namespace, within: limit)
    }

    /// Whether it gets an answer to an echo request, of one a second, within five.
    func reaches(_ address: String) throws -> Bool {
        try run(["ping", "-c", "1", "-w", "5", address]).status == 0
    }
}
