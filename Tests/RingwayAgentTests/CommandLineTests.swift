import Glibc
import RingwayAgentProtocol
import RingwayModel
import Testing

@testable import RingwayAgent

@Suite("The agent's command line")
struct AgentCommandLineTests {
    @Test func `names a host by vsock or by path`() {
        #expect(HostEndpoint("vsock:2:1024") == .vsock(cid: 2, port: 1_024))
        #expect(HostEndpoint("unix:/run/host.sock") == .unix(path: "/run/host.sock"))
    }

    @Test("refuses an invalid host", arguments: ["", "vsock:2", "vsock:2:x", "vsock:2:3:4", "unix:", "tcp:1.2.3.4:5"])
    func refusesHosts(text: String) {
        #expect(HostEndpoint(text) == nil)
    }

    @Test func `takes values after an equals sign or as the next word`() throws {
        let options = try AgentOptions(["--host=vsock:2:1024", "--queues", "2", "--configure", "--share", "/run/a=ssh"])
        #expect(options.endpoint == .vsock(cid: 2, port: 1_024))
        #expect(options.queues == 2)
        #expect(options.configures)
        #expect(options.shares == [AgentOptions.Share(path: "/run/a", name: "ssh")])
    }

    @Test(
        "refuses options that make no sense",
        arguments: [
            [], ["--host", "unix:/a", "--listen", "unix:/b"], ["--host", "unix:/a", "--queues", "65"], ["--host"],
            ["--host", "unix:/a", "--mac", "01:00:00:00:00:01"], ["--host", "unix:/a", "--ifname", "a/b"],
            ["--host", "unix:/a", "--share", "relative=x"], ["--host", "unix:/a", "--nonsense"],
        ])
    func refusesOptions(words: [String]) {
        #expect(throws: UsageFailure.self) { try AgentOptions(words) }
    }

    private static func refusal(_ words: String) -> String? {
        let arguments = ["/usr/bin/ringway-agent"] + words.split(separator: " ").map(String.init)
        do throws(UsageFailure) {
            _ = try AgentCommand.request(arguments)
            return nil
        } catch {
            return error.description
        }
    }

    @Test(
        "says what is wrong, where, and what to do",
        arguments: [
            ("", "no command is given; try \"ringway-agent --help\""),
            ("rn", "unknown command \"rn\"; did you mean \"run\"?"),
            ("frobnicate", "unknown command \"frobnicate\"; try \"ringway-agent --help\""),
            ("--verison", "unknown option \"--verison\"; did you mean \"--version\"?"),
            ("--frobnicate", "unknown option \"--frobnicate\"; try \"ringway-agent --help\""),
            ("help rn", "unknown command \"rn\"; did you mean \"run\"?"),
            ("run --hst vsock:2:1024", "unknown option \"--hst\"; did you mean \"--host\"?"),
            ("run --host unix:/a extra", "unexpected argument \"extra\"; try \"ringway-agent run --help\""),
            ("run --host", "--host needs a value"),
            (
                "run --host vsokc:2:1024",
                "--host \"vsokc:2:1024\": unknown kind of host \"vsokc\"; did you mean \"vsock\"?"
            ),
            (
                "run --host vsock:2",
                "--host \"vsock:2\": a vsock has two numbers; use vsock:CID:PORT, where CID 2 is the host"
            ),
            ("run --host unix:/a --queues 65", "--queues \"65\": it must be a number from 0 to 64"),
            ("run --host unix:/a --mtu +1500", "--mtu \"+1500\": it must be a number from 1280 to 65520"),
            (
                "run",
                "the host is missing; give --host vsock:2:PORT or --host unix:PATH, or --listen where the host connects"
            ),
        ])
    func says(words: String, message: String) {
        #expect(Self.refusal(words) == message)
    }

    @Test(
        "shows help for every command, as wide as a terminal",
        arguments: [
            "--help", "help", "run --help", "run --host x -h", "help run", "docker-proxy --help", "help docker-proxy",
        ])
    func help(words: String) throws {
        guard case .print(let text) = try AgentCommand.request(["a"] + words.split(separator: " ").map(String.init))
        else {
            Issue.record("no help")
            return
        }
        #expect(text.hasPrefix("OVERVIEW: ") && text.contains("\nUSAGE: ") && text.contains("\nEXIT STATUS\n"))
        for line in text.split(separator: "\n") { #expect(line.utf8.count <= 80, "\(line)") }
    }

    @Test func `has every option in its help, and no other`() {
        let named = AgentHelp.run.split(separator: "\n").compactMap { line -> String? in
            guard line.hasPrefix("  --") else { return nil }
            return String(line.dropFirst(2).prefix { $0 != " " })
        }
        #expect(named.sorted() == AgentOptions.known.sorted())
        for option in ProxyOptions.known { #expect(AgentHelp.dockerProxy.contains("-\(option)")) }
    }

    @Test func `is the Docker engine's proxy by its name and by its first option`() throws {
        #expect(try AgentCommand.request(["docker-proxy", "-proto", "tcp"]) == .dockerProxy(["-proto", "tcp"]))
        #expect(try AgentCommand.request(["ringway-agent", "-proto", "tcp"]) == .dockerProxy(["-proto", "tcp"]))
        #expect(try AgentCommand.request(["ringway-agent", "docker-proxy", "-v"]) == .dockerProxy(["-v"]))
    }
}

@Suite("The userland proxy's command line")
struct ProxyCommandLineTests {
    private static let docker20 = [
        "-proto", "tcp", "-host-ip", "0.0.0.0", "-host-port", "8080", "-container-ip", "172.17.0.2", "-container-port",
        "80",
    ]

    @Test func `is the Docker engine's`() throws {
        let options = try ProxyOptions(Self.docker20)
        #expect(options.transport == .tcp)
        #expect(options.host == TransportAddress("0.0.0.0:8080"))
        #expect(options.container == TransportAddress("172.17.0.2:80"))
        #expect(!options.hasListener)
    }

    @Test("accepts the listener that newer engines pass", arguments: ["-use-listen-fd", "-use-listen-fd=true"])
    func listener(flag: String) throws {
        #expect(try ProxyOptions(Self.docker20 + [flag]).hasListener)
    }

    @Test func `reports errors in the format of Go programs`() throws {
        let options = try ProxyOptions([
            "--proto=udp", "--host-ip=::", "--host-port=53", "--container-ip=fd00::2", "--container-port=53",
        ])
        #expect(
            options.explain(Refusal(errorNumber: EACCES, text: "Permission denied"))
                == "listen udp6 [::]:53: bind: permission denied")
        // The host's own text already names its option.
        #expect(options.explain(Refusal(errorNumber: EACCES, text: "not this one")) == "not this one")
    }

    @Test(
        "refuses what it cannot do", arguments: [["-proto", "sctp"], ["-host-ip", "name"], ["-host-port", "65536"]])
    func refuses(words: [String]) {
        #expect(throws: UsageFailure.self) { try ProxyOptions(words) }
    }
}
