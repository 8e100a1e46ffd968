import Foundation
import Testing

extension EndToEnd {
    /// Ports of agents, as the host's own commands list them.
    @Suite("Ports of agents in the control API")
    struct AgentControlTests {
        private struct Forward: Decodable {
            let id: Int
            let kind: String
            let hostAddress: String?
            let hostPort: Int?
            let path: String?
            let target: String?
            let state: String
            let problem: String?
            let owner: String
            let guestId: Int?
        }

        private struct Flow: Decodable {
            let guest: Int?
            let transport: String
            let openedBy: String
            let guestAddress: String?
            let remoteAddress: String?
            let forward: Int?
        }

        private struct Scene {
            let pair: AgentPair
            let control: String

            init(_ bed: TestBed, queues: Int = 1, _ options: [String]) throws {
                control = "\(bed.directory)/control"
                pair = try AgentPair(
                    bed, queues: queues, ["--control", control, "--agent-publish", "loopback"] + options,
                    agentOptions: ["--name", "web"])
            }

            func ringway(_ words: String...) throws -> Program.Outcome {
                try pair.bed.ringway(words + ["--control", control])
            }

            private func list<Element: Decodable>(_ words: [String], _ key: String) throws -> [Element] {
                let text = try pair.bed.ringway(words + ["--json", "--control", control]).requireSuccess()
                return try JSONDecoder().decode([String: [Element]].self, from: Data(text.utf8))[key] ?? []
            }

            func forwards() throws -> [Forward] { try list(["publish", "ls"], "forwards") }

            func flows() throws -> [Flow] {
                struct Answer: Decodable { let flows: [Flow] }
                let text = try pair.bed.ringway(["flows", "--json", "--control", control]).requireSuccess()
                return try JSONDecoder().decode(Answer.self, from: Data(text.utf8)).flows
            }

            /// Requests a host port like the proxy of Docker's engine.
            func startProxy(port: Int, container: Int = 7_000) throws -> Program {
                let command =
                    "exec 3>/dev/null; export RINGWAY_AGENT_SOCKET=\(pair.bed.directory)/requests.sock; "
                    + "exec -a docker-proxy \(Machine.agent) -proto tcp -host-ip 127.0.0.1 -host-port \(port) "
                    + "-container-ip 127.0.0.1 -container-port \(container)"
                return try pair.bed.start(["bash", "-c", command], in: pair.guest)
            }
        }

        @Test func `are listed with their owner, and reported as events`() throws {
            try TestBed.use { bed in
                let path = "\(bed.directory)/place.sock"
                let scene = try Scene(
                    bed,
                    ["--follow-ports", "--forward", "8081=tcp:127.0.0.1:7000", "--forward", "unix:\(path)=unix:/x"])
                let server = try scene.pair.serve(Machine.flows, ["serve", "7000"])
                let proxy = try scene.startProxy(port: 8080)
                try waitUntil("all of them") { try scene.forwards().filter { $0.state == "active" }.count >= 4 }
                let forwards = try scene.forwards()
                let configured = try #require(forwards.first { $0.kind == "forward" && $0.hostPort == 8081 })
                #expect(configured.target == "tcp:127.0.0.1:7000" && configured.owner == "forward")
                #expect(forwards.contains { $0.path == path && $0.target == "unix:/x" && $0.hostPort == nil })
                let docker = try #require(forwards.first { $0.kind == "agent" })
                #expect(docker.hostAddress == "127.0.0.1" && docker.hostPort == 8080 && docker.owner == "agent:web")
                #expect(docker.target == "tcp:127.0.0.1:7000" && docker.guestId != nil && docker.problem == nil)
                #expect(forwards.contains { $0.kind == "follow" && $0.hostPort == 7000 && $0.owner == "follow" })
                #expect(Set(forwards.map(\.id)).count == forwards.count)
                #expect(
                    scene.pair.service.errors.contains("127.0.0.1:8080=tcp:127.0.0.1:7000 (agent:web) is forwarded"))

                // An agent's own port can only be removed by the agent, the host's by the host.
                let refused = try scene.ringway("publish", "rm", "\(docker.id)")
                #expect(refused.status == 1 && refused.errors.contains("belongs to agent:web"))
                #expect(try scene.ringway("publish", "rm", "8081=tcp:127.0.0.1:7000").status == 0)
                #expect(try bed.run(["ss", "-Htln", "sport = :8081"]).requireSuccess().isEmpty)

                proxy.send(SIGTERM)
                server.end()
                try waitUntil("the end of those that have gone") {
                    try scene.forwards().allSatisfy { $0.kind == "forward" }
                }
                #expect(try scene.forwards().map(\.path) == [path])
                try waitUntil("the line that says so") {
                    scene.pair.service.errors.contains("(agent:web) is no longer forwarded")
                }
            }
        }

        @Test func `report their problem, and retry by themselves`() throws {
            try TestBed.use { bed in
                let other = try bed.serve(Machine.flows, ["serve", "7000"])
                let scene = try Scene(bed, ["--follow-ports"])
                _ = try scene.pair.serve(Machine.flows, ["serve", "7000"])
                try waitUntil("the failure") { try scene.forwards().contains { $0.state == "failed" } }
                let failed = try #require(try scene.forwards().first { $0.state == "failed" })
                #expect(failed.kind == "follow" && failed.hostPort == 7000)
                #expect(failed.problem?.contains("the port is in use") == true)
                #expect(scene.pair.service.errors.contains("is not forwarded: cannot publish"))
                other.end()
                try waitUntil("the port") {
                    try scene.forwards().contains { $0.id == failed.id && $0.state == "active" }
                }
                let report = try bed.run(["python3", Machine.flows, "hold", "127.0.0.1", "7000", "5"])
                #expect(report.status == 0, "\(report.output)")
            }
        }

        @Test func `cost one connection and a process of one thread each when Docker asks for a range`() throws {
            try TestBed.use { bed in
                let scene = try Scene(bed, [])
                let count = 20
                let before = try AgentPair.descriptors(of: scene.pair.agent)
                let proxies = try (0..<count).map { try scene.startProxy(port: 8100 + $0, container: 8100 + $0) }
                try waitUntil("all ports") { try scene.forwards().filter { $0.state == "active" }.count == count }
                // One for the requesting program; the request itself uses the existing control connection, and some
                // streams may have been opened ahead of time meanwhile.
                #expect(try AgentPair.descriptors(of: scene.pair.agent) - before < 2 * count)
                for proxy in proxies {
                    let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(proxy.identifier)/task")
                    #expect(threads.count == 1)
                }
                let rows = try scene.ringway("publish", "ls").requireSuccess().split(separator: "\n")
                #expect(rows.count == 2 && rows.last?.contains("127.0.0.1:8100-8119=tcp:127.0.0.1:8100-8119 ") == true)
                for proxy in proxies { proxy.send(SIGINT) }
                try waitUntil("the end of all") { try scene.forwards().isEmpty }
                #expect(try bed.run(["ss", "-Htln", "sport >= :8100 and sport < :8120"]).requireSuccess().isEmpty)
            }
        }

        @Test("have flows with the addresses of client and server", arguments: [0, 1])
        func flows(queues: Int) throws {
            try TestBed.use { bed in
                let scene = try Scene(
                    bed, queues: queues,
                    ["--forward", "8081=tcp:127.0.0.1:7000", "--forward", "5300=udp:127.0.0.1:5300"])
                _ = try scene.pair.bed.start(["socat", "TCP-LISTEN:7000,fork", "PIPE"], in: scene.pair.guest)
                _ = try scene.pair.serve(Machine.program("echo_datagrams.py"), ["5300"])
                try waitUntil("the server") {
                    try !bed.run(["ss", "-Htln", "sport = :7000"], in: scene.pair.guest).requireSuccess().isEmpty
                }
                let client = try bed.start(
                    ["socat", "-", "TCP:127.0.0.1:8081,sourceport=40123"], keepsInput: true)
                let datagrams = try bed.start(
                    ["sh", "-c", "(echo x; sleep 60) | socat - UDP:127.0.0.1:5300,sourceport=40124"])
                try waitUntil("both flows") { try scene.flows().filter { $0.openedBy == "host" }.count == 2 }
                let flows = try scene.flows()
                let stream = try #require(flows.first { $0.transport == "tcp" })
                #expect(stream.remoteAddress == "127.0.0.1:40123" && stream.guestAddress == "127.0.0.1:7000")
                let datagram = try #require(flows.first { $0.transport == "udp" })
                #expect(datagram.remoteAddress == "127.0.0.1:40124" && datagram.guestAddress == "127.0.0.1:5300")
                #expect((stream.guest != nil) == (queues > 0))
                let numbers = try scene.forwards().filter { $0.kind == "forward" }.map(\.id)
                #expect(Set([stream, datagram].compactMap(\.forward)) == Set(numbers))
                withExtendedLifetime((client, datagrams)) {}
            }
        }

        @Test func `keep their TCP port reserved while the agent is away`() throws {
            try TestBed.use { bed in
                let scene = try Scene(bed, ["--forward", "7001=tcp:127.0.0.1:7000"])
                let rival =
                    "import socket; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); "
                    + "s.bind(('127.0.0.1', 7001)); s.listen()"
                #expect(try bed.run(["python3", "-c", rival]).status != 0)
                scene.pair.agent.send(SIGKILL)
                _ = try scene.pair.agent.waitForEnd()
                try waitUntil("the end of the session") { try scene.forwards().map(\.state) == ["waiting"] }
                #expect(try bed.run(["python3", "-c", rival]).status != 0)
                let refused = try bed.run(["socat", "-", "TCP:127.0.0.1:7001"])
                #expect(refused.errors.contains("Connection refused"))
            }
        }
    }
}
