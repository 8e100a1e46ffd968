import RingwayAgentProtocol
import RingwayWire
import Testing

@testable import RingwayAgent

@Suite("The agent's command line")
struct AgentCommandLineTests {
    @Test func `names a host by vsock or by path`() {
        #expect(HostEndpoint("vsock:2:1024") == .vsock(cid: 2, port: 1_024))
        #expect(HostEndpoint("unix:/run/host.sock") == .unix(path: "/run/host.sock"))
    }

    @Test("refuses what is no host", arguments: ["", "vsock:2", "vsock:2:x", "vsock:2:3:4", "unix:", "tcp:1.2.3.4:5"])
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

    @Test("knows of the listener that newer engines pass", arguments: ["-use-listen-fd", "-use-listen-fd=true"])
    func listener(flag: String) throws {
        #expect(try ProxyOptions(Self.docker20 + [flag]).hasListener)
    }

    @Test func `says what went wrong as programs written in Go do`() throws {
        let options = try ProxyOptions([
            "--proto=udp", "--host-ip=::", "--host-port=53", "--container-ip=fd00::2", "--container-port=53",
        ])
        #expect(
            options.explain(Refusal(errorNumber: 13, text: "anything"))
                == "listen udp6 [::]:53: bind: permission denied")
    }

    @Test(
        "refuses what it cannot do", arguments: [["-proto", "sctp"], ["-host-ip", "name"], ["-host-port", "65536"]])
    func refuses(words: [String]) {
        #expect(throws: UsageFailure.self) { try ProxyOptions(words) }
    }
}
