import Foundation
import Testing

/// The host of one test: a network namespace with its own loopback, a directory, and the programs that run there.
///
/// Its layout is that of the acceptance tests' bed, described in `tools/ringway_tools/__init__.py`: a host namespace
/// with Ringway and the host's servers, a guest namespace, and namespaces outside. Both beds start the same programs
/// (`Machine.program`).
final class TestBed {
    let directory: String
    /// The namespace in which the bridge and the host's servers run.
    private(set) var host = ""
    private var namespaces: [String] = []
    private var programs: [Program] = []
    private var count = 0

    /// Creates a bed, uses it and removes it, even if the test fails. Anything that a test leaves running is a failure.
    static func use(_ body: (TestBed) throws -> Void) throws {
        removeLeftovers()
        let bed = try TestBed()
        defer { bed.takeDown() }
        bed.host = try bed.makeNamespace("host")
        try body(bed)
    }

    private init() throws {
        directory = "/tmp/\(Self.name)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    }

    private static let stem = "ringway-test-"
    static var name: String { "\(stem)\(getpid())" }

    private func takeDown() {
        for program in programs.reversed() { program.end() }
        for namespace in namespaces {
            let left = (try? runAnywhere(["ip", "netns", "pids", namespace]).output) ?? ""
            #expect(left.isEmpty, "processes are left in \(namespace)")
            for process in left.split(separator: "\n").compactMap({ pid_t($0) }) { kill(process, SIGKILL) }
            _ = try? runAnywhere(["ip", "netns", "del", namespace])
            try? FileManager.default.removeItem(atPath: "/etc/netns/\(namespace)")
        }
        // Only if it is empty.
        rmdir("/etc/netns")
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Removes leftovers of a killed run of these tests.
    private static func removeLeftovers() {
        for namespace in (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []
        where namespace.hasPrefix(stem) {
            let owner = namespace.dropFirst(stem.count).prefix { $0.isNumber }
            guard let process = pid_t(owner), process != getpid(), kill(process, 0) != 0 else { continue }
            umount2("/run/netns/\(namespace)", Int32(MNT_DETACH))
            unlink("/run/netns/\(namespace)")
            try? FileManager.default.removeItem(atPath: "/etc/netns/\(namespace)")
            try? FileManager.default.removeItem(atPath: "/tmp/\(stem)\(process)")
        }
    }

    // MARK: Namespaces

    /// A network namespace with its loopback up and settings independent of the machine's.
    func makeNamespace(_ role: String) throws -> String {
        let namespace = "\(Self.name)-\(role)"
        _ = try runAnywhere(["ip", "netns", "add", namespace]).requireSuccess()
        namespaces.append(namespace)
        _ = try runAnywhere(["ip", "-n", namespace, "link", "set", "lo", "up"]).requireSuccess()
        // If the machine lets namespaces choose it (tcp_allowed_congestion_control); otherwise its default.
        _ = try run(["sysctl", "-qw", "net.ipv4.tcp_congestion_control=cubic"], in: namespace)
        try set("net.ipv4.ping_group_range", "0 2147483647", in: namespace)
        // Veth pairs carry traffic at once: duplicate address detection is unnecessary.
        try set("net.ipv6.conf.default.accept_dad", "0", in: namespace)
        // The ports of the tests' servers are below.
        try set("net.ipv4.ip_local_port_range", "16000 65000", in: namespace)
        return namespace
    }

    func set(_ setting: String, _ value: String, in namespace: String) throws {
        _ = try run(["sysctl", "-qw", "\(setting)=\(value)"], in: namespace).requireSuccess()
    }

    /// Connects two namespaces by a veth pair: `10.77.N.1` and `fd77:N::1` at the first, `.2` and `::2` at the second.
    func connect(_ first: String, _ second: String, network: Int) throws {
        let cable = "cable\(network)"
        _ = try runAnywhere([
            "ip", "link", "add", cable, "netns", first, "type", "veth", "peer", cable, "netns", second,
        ]).requireSuccess()
        for (end, namespace) in [(1, first), (2, second)] {
            for address in [["10.77.\(network).\(end)/24"], ["fd77:\(network)::\(end)/64", "nodad"]] {
                try configure(namespace, ["addr", "add"] + address + ["dev", cable])
            }
            try configure(namespace, ["link", "set", cable, "up"])
        }
        // A router asks for its neighbours by its link-local address, which is tentative until the kernel has had its
        // lock for it, for seconds while other namespaces end.
        for namespace in [first, second] {
            try waitUntil("usable addresses in \(namespace)") {
                let tentative = try runAnywhere([
                    "ip", "-n", namespace, "-6", "address", "show", "dev", cable, "tentative",
                ])
                return try tentative.requireSuccess().isEmpty
            }
        }
    }

    /// `ip` with these arguments in a namespace.
    func configure(_ namespace: String, _ arguments: [String]) throws {
        _ = try runAnywhere(["ip", "-n", namespace] + arguments).requireSuccess()
    }

    /// Gives the host its own resolv.conf, which can be rewritten later.
    func setNameServer(_ address: String, search: String = "") throws {
        let configuration = "/etc/netns/\(host)"
        try FileManager.default.createDirectory(atPath: configuration, withIntermediateDirectories: true)
        // In place: this very file is mounted over /etc/resolv.conf.
        guard let file = fopen("\(configuration)/resolv.conf", "w") else { throw TestFailure("resolv.conf: \(errno)") }
        fputs("nameserver \(address)\n", file)
        if !search.isEmpty { fputs("search \(search)\n", file) }
        fclose(file)
    }

    // MARK: Programs

    /// Starts a program in a namespace, by default the host's.
    func start(
        _ arguments: [String], in namespace: String? = nil, keepsInput: Bool = false, notice: Int32? = nil
    ) throws -> Program {
        try startAnywhere(
            ["ip", "netns", "exec", namespace ?? host] + arguments, keepsInput: keepsInput, notice: notice)
    }

    /// Starts a program in the namespaces of the test itself.
    func startAnywhere(_ arguments: [String], keepsInput: Bool = false, notice: Int32? = nil) throws -> Program {
        count += 1
        let program = try Program(
            arguments, files: "\(directory)/\(count)", keepsInput: keepsInput, notice: notice)
        programs.append(program)
        return program
    }

    /// Runs a program to its end.
    func run(
        _ arguments: [String], in namespace: String? = nil, within limit: Duration = .seconds(60)
    ) throws -> Program.Outcome {
        try start(arguments, in: namespace).waitForEnd(within: limit)
    }

    func runAnywhere(_ arguments: [String], within limit: Duration = .seconds(60)) throws -> Program.Outcome {
        try startAnywhere(arguments).waitForEnd(within: limit)
    }

    /// `ringway` with these arguments on the host, to its end.
    func ringway(_ arguments: [String], within limit: Duration = .seconds(30)) throws -> Program.Outcome {
        try run([Machine.ringway] + arguments, within: limit)
    }

    /// Starts one of the tests' programs and waits until it listens.
    func serve(_ program: String, _ arguments: [String], in namespace: String? = nil) throws -> Program {
        let server = try start(["python3", program] + arguments, in: namespace)
        try server.waitForOutput("listening")
        return server
    }

    /// Waits until a TCP port of a namespace has a listener.
    func waitForListener(at port: Int, in namespace: String? = nil) throws {
        try waitUntil("a listener at port \(port)") {
            try !run(["ss", "-Htln", "sport = :\(port)"], in: namespace).requireSuccess().isEmpty
        }
    }
}
