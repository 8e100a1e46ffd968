import Foundation
import Testing

extension EndToEnd {
    /// The agent in a guest, with a namespace for the guest and a unix socket for the vsock.
    @Suite("The agent")
    struct AgentTests {
        static let ends = Machine.program("ends.py")

        @Test("carries frames, both families", arguments: [1, 2])
        func carriesFrames(queues: Int) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("files.py"), ["8080"])
                let pair = try AgentPair(bed, queues: queues)
                for family in Family.allCases {
                    _ = try pair.run(["ping", "-c", "3", "-i", "0.1", family.host]).requireSuccess()
                    let address = family == .ipv4 ? family.host : "[\(family.host)]"
                    let url = "http://\(address):8080/67108864"
                    let direct = try bed.run(["sh", "-c", "curl -sS http://localhost:8080/67108864 | sha256sum"])
                    let copy = try pair.run(["sh", "-c", "curl -sS '\(url)' | sha256sum"])
                    #expect(try copy.requireSuccess() == direct.requireSuccess())
                }
            }
        }

        @Test func `dials servers on the guest's loopback, and each end sees what the other does`() throws {
            try TestBed.use { bed in
                let ports = Array(SpliceTests.cases.indices)
                let forwards = ports.flatMap { ["--forward", "\(8000 + $0)=tcp:127.0.0.1:\(9000 + $0)"] }
                let pair = try AgentPair(bed, forwards)
                let witness = try pair.makeWitness()
                for (index, name) in SpliceTests.cases.enumerated() {
                    let outcome = try bed.run([
                        "python3", Self.ends, "127.0.0.1", "\(8000 + index)", "\(witness)", "\(9000 + index)", name,
                    ])
                    #expect(outcome.output.hasPrefix("\(name) from 127.0.0.1"), "\(outcome.errors)")
                }
            }
        }

        @Test func `dials servers in another network namespace of the guest`() throws {
            try TestBed.use { bed in
                let inner = try bed.makeNamespace("inner")
                _ = try bed.serve(Machine.flows, ["serve", "7000"], in: inner)
                let pair = try AgentPair(bed, ["--forward", "7000=tcp:127.0.0.1:7000@\(inner)"])
                let report = try bed.run(["python3", Machine.flows, "hold", "127.0.0.1", "7000", "10"])
                #expect(report.status == 0, "\(report.output)")
                _ = pair
            }
        }

        @Test func `keeps datagrams apart`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--forward", "5300=udp:127.0.0.1:5300"])
                _ = try pair.serve(Machine.program("echo_datagrams.py"), ["5300"])
                let outcome = try bed.run(["python3", Machine.program("ask_datagrams.py"), "127.0.0.1", "5300"])
                #expect(try outcome.requireSuccess() == "200 answers from 4 clients\n")
            }
        }

        @Test func `reaches unix sockets, from the host and to the host`() throws {
            try TestBed.use { bed in
                let paths = ["there", "here", "asked", "answering"].map { "\(bed.directory)/\($0).sock" }
                _ = try bed.start(["socat", "UNIX-LISTEN:\(paths[3]),fork", "SYSTEM:cat"])
                let pair = try AgentPair(
                    bed, ["--forward", "unix:\(paths[1])=unix:\(paths[0])", "--agent-socket", "echo=\(paths[3])"],
                    agentOptions: ["--share", "\(paths[2])=echo"])
                _ = try bed.start(["socat", "UNIX-LISTEN:\(paths[0]),fork", "SYSTEM:cat"], in: pair.guest)
                try waitUntil("the guest's server") { FileManager.default.fileExists(atPath: paths[0]) }
                try waitUntil("the host's server") { FileManager.default.fileExists(atPath: paths[3]) }
                try waitUntil("the host's place") { FileManager.default.fileExists(atPath: paths[1]) }
                let echo = "head -c 3000000 /dev/zero | socat -t 10 - UNIX-CONNECT:"
                let fromHost = try bed.run(["sh", "-c", "\(echo)\(paths[1]) | wc -c"])
                #expect(try fromHost.requireSuccess() == "3000000\n")
                let fromGuest = try pair.run(["sh", "-c", "\(echo)\(paths[2]) | wc -c"])
                #expect(try fromGuest.requireSuccess() == "3000000\n")
            }
        }

        @Test func `goes on when sockets of the host that it asks for are not there`() throws {
            try TestBed.use { bed in
                let (asked, missing) = ("\(bed.directory)/asked.sock", "\(bed.directory)/missing.sock")
                let pair = try AgentPair(
                    bed, ["--forward", "7000=tcp:127.0.0.1:7000", "--agent-socket", "echo=\(missing)"],
                    agentOptions: ["--share", "\(asked)=echo"])
                let server = try pair.serve(Machine.flows, ["serve", "7000"])
                let before = try AgentPair.descriptors(of: pair.agent)
                for _ in 0..<20 { _ = try pair.run(["sh", "-c", "echo | socat -t 5 - UNIX-CONNECT:\(asked)"]) }
                try waitUntil("the closing of descriptors") { try AgentPair.descriptors(of: pair.agent) <= before }
                let report = try bed.run(["python3", Machine.flows, "hold", "127.0.0.1", "7000", "100"])
                #expect(report.status == 0, "\(report.output)")
                withExtendedLifetime(server) {}
            }
        }

        @Test func `carries two thousand connections at once, and leaves nothing behind`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--forward", "7000=tcp:127.0.0.1:7000"])
                _ = try pair.serve(Machine.flows, ["serve", "7000"])
                let before = try (
                    AgentPair.descriptors(of: pair.agent), AgentPair.descriptors(of: pair.service)
                )
                for _ in 0..<2 {
                    let hold = try bed.run(["python3", Machine.flows, "hold", "127.0.0.1", "7000", "2000"])
                    #expect(hold.status == 0, "\(hold.output)")
                    let cycle = try bed.run(["python3", Machine.flows, "cycle", "127.0.0.1", "7000", "3000"])
                    #expect(cycle.status == 0, "\(cycle.output)")
                }
                // Streams opened for the burst stay, as idle ones.
                try waitUntil("the agent's sockets to close") {
                    try bed.run(["ss", "-Htn", "state", "established"], in: pair.guest).requireSuccess().isEmpty
                }
                _ = before
            }
        }

        @Test func `refuses clients of a server that does not listen, at once`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--forward", "7000=tcp:127.0.0.1:7000"])
                let start = ContinuousClock.now
                let outcome = try bed.run([
                    "python3", Machine.program("talk.py"), "call", "127.0.0.1", "7000", "read-all",
                ])
                #expect("\(outcome.output)\(outcome.errors)".contains("ECONNRESET"))
                // A dial times out after thirty seconds.
                #expect(ContinuousClock.now - start < .seconds(10))
                _ = pair
            }
        }

        @Test func `finds its host again, and its host the agent`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--forward", "7000=tcp:127.0.0.1:7000"])
                _ = try pair.serve(Machine.flows, ["serve", "7000"])
                for restart in [pair.restartService, pair.restartAgent] {
                    try restart()
                    try pair.waitForNetwork()
                    try waitUntil("the forward") {
                        try bed.run(["python3", Machine.flows, "hold", "127.0.0.1", "7000", "5"]).status == 0
                    }
                }
            }
        }

        @Test func `waits for a host that connects through a monitor's vsock`() throws {
            try TestBed.use { bed in
                let paths = ["monitor", "port"].map { "\(bed.directory)/\($0).sock" }
                _ = try bed.serve(Machine.program("monitor.py"), [paths[0], "1024", paths[1]])
                let service = try bed.start([
                    Machine.ringway, "serve", "--listen", "hybrid:1024:\(paths[0])", "--forward",
                    "7000=tcp:127.0.0.1:7000",
                ])
                let guest = try bed.makeNamespace("guest")
                let agent = try bed.start(
                    [
                        Machine.agent, "run", "--listen", "unix:\(paths[1])", "--queues", "2", "--configure",
                        "--resolv-conf", "", "--request-socket", "",
                    ], in: guest)
                try waitUntil("the host: \(agent.errors) \(service.errors)") { agent.errors.contains("connected") }
                _ = try bed.serve(Machine.flows, ["serve", "7000"], in: guest)
                let ping = try bed.run(["ping", "-c", "3", "-i", "0.1", Family.ipv4.host], in: guest)
                #expect(ping.status == 0, "\(ping.output)")
                let hold = try bed.run(["python3", Machine.flows, "hold", "127.0.0.1", "7000", "100"])
                #expect(hold.status == 0, "\(hold.output)")
            }
        }

        @Test func `makes its interface again after it was deleted`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed)
                try pair.waitForNetwork()
                try bed.configure(pair.guest, ["link", "del", "eth0"])
                try pair.waitForNetwork()
            }
        }

        @Test func `has the host follow ports as they come and go`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--follow-ports"])
                let server = try pair.serve(Machine.flows, ["serve", "7000"])
                try waitUntil("the port on the host") {
                    try bed.run(["python3", Machine.flows, "hold", "127.0.0.1", "7000", "5"]).status == 0
                }
                server.end()
                try waitUntil("the port to be free") {
                    try bed.run(["ss", "-Htln", "sport = :7000"]).requireSuccess().isEmpty
                }
            }
        }

        @Test func `has the host keep a port that another server of the guest still has`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--follow-ports"])
                func listeners() throws -> Int {
                    try bed.run(["ss", "-Htln", "sport = :7001"]).requireSuccess().count { $0 == "\n" }
                }
                let first = try bed.start(["socat", "TCP4-LISTEN:7001,reuseaddr,fork", "SYSTEM:cat"], in: pair.guest)
                let second = try bed.start(
                    ["socat", "TCP6-LISTEN:7001,ipv6only=1,reuseaddr,fork", "SYSTEM:cat"], in: pair.guest)
                try waitUntil("a port of each family") { try listeners() == 2 }
                second.end()
                try waitUntil("the end of one port") { try listeners() == 1 }
                let echo = try bed.run(["sh", "-c", "echo here | socat -t 5 - TCP4:127.0.0.1:7001"])
                #expect(try echo.requireSuccess() == "here\n")
                withExtendedLifetime(first) {}
            }
        }

        @Test func `has to show the token`() throws {
            try TestBed.use { bed in
                try "right\n".write(toFile: "\(bed.directory)/token", atomically: true, encoding: .utf8)
                try "wrong\n".write(toFile: "\(bed.directory)/wrong", atomically: true, encoding: .utf8)
                let pair = try AgentPair(
                    bed, ["--agent-token", "\(bed.directory)/token"],
                    agentOptions: ["--token-file", "\(bed.directory)/token"])
                try pair.waitForNetwork()
                let stranger = try bed.start(
                    [
                        Machine.agent, "run", "--host", "unix:\(bed.directory)/agent.sock", "--token-file",
                        "\(bed.directory)/wrong", "--request-socket", "",
                    ], in: try bed.makeNamespace("stranger"))
                try waitUntil("the refusal") { stranger.errors.contains("the token is not the host's") }
            }
        }
    }
}
