import Foundation
import Testing

extension EndToEnd {
    /// The agent as the Docker engine's proxy for each published port.
    @Suite("The userland proxy")
    struct UserlandProxyTests {
        /// A proxy, and its output on descriptor 3.
        final class Proxy {
            let program: Program
            private let path: String

            init(_ pair: AgentPair, port: Int, name: String) throws {
                path = "\(pair.bed.directory)/\(name).result"
                let command =
                    "exec 3>\(path); export RINGWAY_AGENT_SOCKET=\(pair.bed.directory)/requests.sock; "
                    + "exec -a docker-proxy \(Machine.agent) -proto tcp -host-ip 0.0.0.0 -host-port \(port) "
                    + "-container-ip 127.0.0.1 -container-port 7000"
                program = try pair.bed.start(["bash", "-c", command], in: pair.guest)
            }

            func result() throws -> String {
                var text = ""
                try waitUntil("the proxy's result") {
                    text = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
                    return text.hasPrefix("0\n") || text.count > 2
                }
                return text
            }
        }

        @Test func `has the host publish a port, and free it again`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--agent-publish", "all"])
                _ = try pair.serve(Machine.flows, ["serve", "7000"])
                let proxy = try Proxy(pair, port: 8080, name: "first")
                #expect(try proxy.result() == "0\n")
                for namespace in [bed.host, pair.guest] {
                    let report = try bed.run(
                        ["python3", Machine.flows, "hold", "127.0.0.1", "8080", "20"], in: namespace)
                    #expect(report.status == 0, "\(namespace): \(report.output)")
                }
                proxy.program.send(SIGTERM)
                _ = try proxy.program.waitForEnd(within: .seconds(5))
                try waitUntil("the port to be free") {
                    try bed.run(["ss", "-Htln", "sport = :8080"]).requireSuccess().isEmpty
                }
            }
        }

        @Test func `has the host publish on the addresses that it allows, whatever it is asked for`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--publish-on", "loopback", "--agent-publish", "all"])
                _ = try pair.serve(Machine.flows, ["serve", "7000"])
                let proxy = try Proxy(pair, port: 8080, name: "narrow")
                #expect(try proxy.result() == "0\n")
                let listening = try bed.run(["ss", "-Htln", "sport = :8080"]).requireSuccess()
                #expect(listening.contains("127.0.0.1:8080") && !listening.contains("0.0.0.0:8080"))
            }
        }

        @Test func `is refused, in one line, ports that the host does not allow agents`() throws {
            try TestBed.use { bed in
                let control = "\(bed.directory)/control"
                for (index, (options, port, reason)) in [
                    ([], 8080, "agents may publish no ports; \"ringway serve --agent-publish\" on the host lets them"),
                    (
                        ["--agent-publish", "all"], 22,
                        "agents may publish all only, as \"ringway serve --agent-publish\" on the host says"
                    ),
                ].enumerated() {
                    let pair = try AgentPair(bed, ["--control", control] + options, name: "guest\(index)")
                    let proxy = try Proxy(pair, port: port, name: "refused\(index)")
                    let text = try proxy.result()
                    #expect(text.hasPrefix("1\n") && text.hasSuffix("0.0.0.0:\(port): \(reason)"), "\(text)")
                    #expect(try bed.run(["ss", "-Htln", "sport = :\(port)"]).requireSuccess().isEmpty)
                    let status = try bed.ringway(["status", "--control", control]).requireSuccess()
                    #expect(status.contains("ports of the host that agents may not publish"), "\(status)")
                    pair.end()
                }
            }
        }

        @Test func `has as many ports as an agent may have, and no more`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--agent-publish", "loopback", "--max-agent-ports", "2"])
                let first = try Proxy(pair, port: 8080, name: "one")
                #expect(try first.result() == "0\n")
                #expect(try Proxy(pair, port: 8081, name: "two").result() == "0\n")
                let third = try Proxy(pair, port: 8082, name: "three").result()
                #expect(third.hasPrefix("1\n") && third.contains("as many as --max-agent-ports allows"), "\(third)")
                first.program.send(SIGTERM)
                _ = try first.program.waitForEnd(within: .seconds(5))
                #expect(try Proxy(pair, port: 8083, name: "four").result() == "0\n")
            }
        }

        @Test func `fails in the words of Docker's own when the host's port is taken`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--agent-publish", "all"])
                _ = try bed.serve(Machine.flows, ["serve", "8080"])
                let proxy = try Proxy(pair, port: 8080, name: "second")
                #expect(try proxy.result() == "1\nlisten tcp4 0.0.0.0:8080: bind: address already in use")
                #expect(try proxy.program.waitForEnd(within: .seconds(5)).status == 1)
            }
        }

        @Test func `keeps its port through the end of the host and of the agent`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--agent-publish", "all"])
                _ = try pair.serve(Machine.flows, ["serve", "7000"])
                let proxy = try Proxy(pair, port: 8080, name: "third")
                #expect(try proxy.result() == "0\n")
                for restart in [pair.restartService, pair.restartAgent] {
                    try restart()
                    try waitUntil("the port to be published again") {
                        try bed.run(["python3", Machine.flows, "hold", "127.0.0.1", "8080", "5"]).status == 0
                    }
                }
            }
        }
    }
}
