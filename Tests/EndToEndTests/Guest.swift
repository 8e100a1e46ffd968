import Foundation

/// A guest of `ringway run`, kept by a COMMAND that waits, and a way to run programs in it.
final class Guest {
    let bridge: Program
    private let bed: TestBed
    private let statisticsPath: String
    /// The process that keeps the guest.
    let command: pid_t

    /// Starts a bridge and waits until it says that the network is up.
    ///
    /// - Parameters:
    ///   - options: what else `run` is given.
    ///   - launcher: what starts the bridge, for one that is to have limits of its own.
    init(_ bed: TestBed, shards: Int, _ options: [String] = [], launcher: [String] = []) throws {
        self.bed = bed
        statisticsPath = bed.directory + "/statistics.json"
        let ends = try makePipe()
        defer { close(ends[0]) }
        let arguments =
            launcher + [
                Machine.ringway, "run", "--shards", "\(shards)", "--ipv6-prefix", Family.prefix, "--statistics",
                statisticsPath, "--ready-fd", "3",
            ] + Machine.reactorOptions + options + ["--", "cat"]
        bridge = try bed.start(arguments, keepsInput: true, notice: ends[1])
        close(ends[1])
        guard Self.readLine(ends[0]) == "ready\n" else {
            let outcome = try bridge.waitForEnd(within: .seconds(5))
            throw TestFailure("the bridge did not start: status \(outcome.status), \(outcome.errors)")
        }
        command = try Self.findCommand(of: bridge.identifier)
        _ = try run(["sysctl", "-qw", "net.ipv4.tcp_congestion_control=cubic"])
    }

    private static func readLine(_ descriptor: Int32) -> String {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 10_000) == 1 else { return "" }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(descriptor, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    /// The bridge's child, once it has become COMMAND.
    private static func findCommand(of bridge: pid_t) throws -> pid_t {
        var found: pid_t?
        try waitUntil("COMMAND") {
            let children = contents("/proc/\(bridge)/task/\(bridge)/children")
            guard let child = children.split(separator: " ").first.flatMap({ pid_t($0) }) else { return false }
            found = child
            return contents("/proc/\(child)/comm") == "cat\n"
        }
        guard let found else { throw TestFailure("the bridge has no child") }
        return found
    }

    private static func contents(_ path: String) -> String {
        String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
    }

    // MARK: Programs

    /// Starts a program in the guest.
    func start(_ arguments: [String], keepsInput: Bool = false) throws -> Program {
        try bed.startAnywhere(
            ["nsenter", "-t", "\(command)", "-n", "-m", "--"] + arguments, keepsInput: keepsInput)
    }

    /// Runs a program in the guest to its end.
    func run(_ arguments: [String], within limit: Duration = .seconds(60)) throws -> Program.Outcome {
        try start(arguments).waitForEnd(within: limit)
    }

    /// Starts a program of the tests' own and waits until it says that it listens.
    func serve(_ program: String, _ arguments: [String]) throws -> Program {
        let server = try start(["python3", program] + arguments)
        try server.waitForOutput("listening")
        return server
    }

    func set(_ setting: String, _ value: String) throws {
        _ = try run(["sysctl", "-qw", "\(setting)=\(value)"]).requireSuccess()
    }

    // MARK: The bridge

    /// The counters, as the bridge writes them after this call: it does so once a second, each time to a new file.
    func renewedStatistics() throws -> [String: Int] {
        let before = Self.fileNumber(statisticsPath)
        try waitUntil("new statistics") { Self.fileNumber(statisticsPath) != before }
        guard let data = FileManager.default.contents(atPath: statisticsPath) else {
            throw TestFailure("there are no statistics")
        }
        return try JSONDecoder().decode([String: Int].self, from: data)
    }

    private static func fileNumber(_ path: String) -> UInt64 {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(status.st_ino) ^ UInt64(status.st_mtim.tv_nsec) << 32 : 0
    }

    /// Descriptors that the bridge has open.
    func descriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(bridge.identifier)/fd").count
    }

    /// Descriptors that the bridge's table has places for.
    func descriptorPlaces() throws -> Int? {
        let status = try String(contentsOfFile: "/proc/\(bridge.identifier)/status", encoding: .utf8)
        return status.split(separator: "\n").first { $0.hasPrefix("FDSize:") }
            .flatMap { Int($0.split(separator: "\t").last ?? "") }
    }

    /// Lets COMMAND end, and the bridge with it.
    func end() throws -> Program.Outcome {
        bridge.closeInput()
        return try bridge.waitForEnd(within: .seconds(10))
    }
}
