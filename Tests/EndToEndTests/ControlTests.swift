import Foundation
import Testing

extension EndToEnd {
    @Suite("The control API")
    struct ControlTests {
        /// A service with its own control socket.
        private struct Controlled {
            let service: Service
            let socket: String
            private let bed: TestBed

            init(_ bed: TestBed, _ options: [String] = []) throws {
                self.bed = bed
                socket = bed.directory + "/control"
                service = try Service(bed, ["--listen", "qemu:\(bed.directory)/q", "--control", socket] + options)
            }

            /// `ringway` with words before and after the socket's option.
            func ringway(_ words: String..., input: [String] = []) throws -> Program.Outcome {
                try bed.ringway(words + ["--control", socket] + input)
            }

            /// A configured machine on the link.
            func makeMachine(_ name: String, _ mac: String) throws -> VirtualMachine {
                let machine = try VirtualMachine(bed, name)
                try machine.plug("qemu:\(bed.directory)/q", mac)
                try machine.configure()
                return machine
            }

            /// Runs one of the tests' programs at the socket.
            func client(_ program: String, _ arguments: [String]) throws -> Program {
                try bed.start(["python3", Machine.program(program), socket] + arguments)
            }
        }

        private static func serveGreeting(_ bed: TestBed, _ machine: VirtualMachine) throws {
            let server = try machine.start(["python3", Machine.flows, "serve", "80", "--greet"])
            try server.waitForOutput("listening")
        }

        @Test func `publishes on the loopback alone where nothing else is allowed`() throws {
            try TestBed.use { bed in
                let controlled = try Controlled(bed, ["--publish-on", "loopback"])
                let machine = try controlled.makeMachine("machine", "52:54:00:00:02:01")
                try Self.serveGreeting(bed, machine)
                #expect(try controlled.ringway("publish", "add", "8080:80").status == 0)
                for address in ["127.0.0.1", "::1"] {
                    #expect(try bed.run(["python3", Machine.flows, "greet", address, "8080"]).status == 0)
                }
                let listening = try bed.run(["ss", "-Htln", "sport = :8080"]).requireSuccess()
                #expect(!listening.contains("0.0.0.0:8080") && !listening.contains("*:8080"))
                let outside = try controlled.ringway("publish", "add", "192.0.2.1:8081:80")
                #expect(outside.status == 1)
                #expect(outside.errors.contains("ports are published on the host's loopback only"))
            }
        }

        @Test func `publishes ports while the network is at work`() throws {
            try TestBed.use { bed in
                let controlled = try Controlled(bed)
                // Before the guest is attached the port is held, and refuses.
                #expect(try controlled.ringway("publish", "add", "8080:80").output == "1 8080:80/tcp\n")
                #expect(try controlled.ringway("publish", "ls").output.contains("waits for a guest"))
                let early = try bed.run(["python3", Machine.flows, "greet", "127.0.0.1", "8080"])
                #expect(early.output.contains("Refused"))
                let machine = try controlled.makeMachine("machine", "52:54:00:00:02:01")
                try Self.serveGreeting(bed, machine)
                #expect(try bed.run(["python3", Machine.flows, "greet", "127.0.0.1", "8080"]).status == 0)
                #expect(try controlled.ringway("publish", "ls").output.contains("active"))
                let twice = try controlled.ringway("publish", "add", "8080:81")
                #expect(twice.status == 1)
                #expect(
                    twice.errors.contains(
                        "cannot publish 0.0.0.0:8080 and [::]:8080/tcp: the port is in use, held by this network's own "
                            + "forward 1, 8080:80/tcp"), "\(twice.errors)")
                #expect(try controlled.ringway("publish", "rm", "8080:80").status == 0)
                // The port is free at once.
                _ = try bed.serve(Machine.program("talk.py"), ["listen", "8080"])
            }
        }

        @Test func `chooses a port, and applies a set as a difference`() throws {
            try TestBed.use { bed in
                let controlled = try Controlled(bed, ["-p", "7000:70"])
                let words = try controlled.ringway("publish", "add", "0:80").requireSuccess().split(separator: " ")
                let port = try #require(words.last?.split(separator: ":").first.flatMap { Int($0) })
                #expect(port > 0)
                let first = try controlled.ringway("publish", "sync", input: ["8000-8009:8000-8009", "\(port):80"])
                #expect(first.output == "+ 8000-8009:8000-8009/tcp\n1 kept\n")
                let second = try controlled.ringway("publish", "sync", input: ["8000-8009:8000-8009", "53:53/udp"])
                #expect(second.output == "- \(port):80/tcp\n+ 53:53/udp\n1 kept\n")
                // An automatic port is kept for its request.
                let third = try controlled.ringway("publish", "sync", input: ["80", "10000-10009:81"])
                #expect(third.output.contains("+ 10000:81/tcp\n0 kept\n"), "\(third.output)")
                let fourth = try controlled.ringway("publish", "sync", input: ["80", "10000-10009:81"])
                #expect(fourth.output == "2 kept\n")
                #expect(try controlled.ringway("publish", "rm", "0:80").status == 0)
                #expect(try controlled.ringway("publish", "sync", input: ["10000-10009:81"]).output == "1 kept\n")
                // A port published on the command line does not belong to the API.
                #expect(try controlled.ringway("publish", "ls").output.contains("7000:70/tcp"))
            }
        }

        @Test func `reports the network, its guests, flows and events`() throws {
            try TestBed.use { bed in
                let controlled = try Controlled(bed)
                let events = try bed.start([Machine.ringway, "events", "--control", controlled.socket])
                // The listener is connected once it has received an event.
                try waitUntil("events") {
                    _ = try controlled.ringway("publish", "add", "9999:99")
                    _ = try controlled.ringway("publish", "rm", "9999:99")
                    return events.output.contains("9999:99/tcp is published")
                }
                let machine = try controlled.makeMachine("machine", "52:54:00:00:02:02")
                try events.waitForOutput("is attached")
                _ = try bed.start(["python3", "-m", "http.server", "8000"])
                try bed.waitForListener(at: 8000)
                let holder = try machine.start(["socat", "-u", "TCP:192.168.127.254:8000", "-"])
                try waitUntil("the flow") {
                    try controlled.ringway("flows").output.contains("192.168.127.254:8000")
                }
                let json = try controlled.ringway("flows", "--json").output
                #expect(json.contains("\"state\":\"established\"") && json.contains("\"complete\":true"))
                #expect(try controlled.ringway("guests").output.contains("52:54:00:00:02:02"))
                #expect(try controlled.ringway("status").output.contains("192.168.127.0/24"))
                holder.send(SIGKILL)
                #expect(try controlled.service.end().status == 0)
                #expect(try events.waitForEnd().status == 1)
                #expect(try controlled.ringway("status").errors.contains("no network answers at"))
            }
        }

        @Test func `metrics are what Prometheus' own readers take`() throws {
            try TestBed.use { bed in
                let controlled = try Controlled(bed)
                _ = try controlled.makeMachine("machine", "52:54:00:00:02:05")
                let page = bed.directory + "/metrics"
                _ = try bed.run([
                    "curl", "-sSf", "-o", page, "--unix-socket", controlled.socket, "http://localhost/metrics",
                ]).requireSuccess()
                // If it is installed: RingwayControlTests have a parser of their own.
                if Machine.path(of: "promtool") != nil {
                    let lint = try bed.run(["sh", "-c", "promtool check metrics <\(page)"])
                    #expect(lint.status == 0 && lint.errors.isEmpty, "\(lint.errors)")
                }
                let reader = """
                    import sys
                    try:
                        from prometheus_client.parser import text_string_to_metric_families
                    except ImportError:
                        sys.exit(0)
                    families = list(text_string_to_metric_families(open(sys.argv[1]).read()))
                    names = [family.name for family in families]
                    twice = {name for name in names if names.count(name) > 1}
                    untyped = [family.name for family in families if family.type not in ("counter", "gauge")]
                    silent = [family.name for family in families if not family.documentation]
                    sys.exit(f"{twice} {untyped} {silent}" if twice or untyped or silent else 0)
                    """
                let read = try bed.run(["python3", "-c", reader, page])
                #expect(read.status == 0, "\(read.errors)")
                let text = try String(contentsOfFile: page, encoding: .utf8)
                #expect(text.contains("ringway_guest_from_guest_bytes_total{guest=\""))
            }
        }

        @Test func `answers as it is described, whatever it is asked`() throws {
            try TestBed.use { bed in
                let controlled = try Controlled(bed)
                _ = try controlled.makeMachine("machine", "52:54:00:00:02:03")
                let run = try controlled.client("api.py", ["1", "25"]).waitForEnd(within: .seconds(90))
                #expect(run.status == 0, "\(run.output)\(run.errors)")
                #expect(controlled.service.program.isRunning)
            }
        }

        @Test func `serves a thousand clients and stalled event readers while data is transferred`() throws {
            try TestBed.use { bed in
                let controlled = try Controlled(bed)
                let machine = try controlled.makeMachine("machine", "52:54:00:00:02:04")
                let path = bed.directory + "/noise"
                try Data((0..<8 << 20).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) })
                    .write(to: URL(fileURLWithPath: path))
                _ = try bed.start(["python3", "-m", "http.server", "--directory", bed.directory, "8000"])
                try bed.waitForListener(at: 8000)
                let crowd = try controlled.client("crowd.py", ["1000", "10", "40"])
                try crowd.waitForOutput("crowded")
                // So many events that a client that does not read loses some.
                let noise = try bed.start([
                    "sh", "-c",
                    "for i in 1 2 3 4 5; do \(Machine.ringway) publish sync --control \(controlled.socket) "
                        + "$(seq -f %.0f:80 20000 20800) && \(Machine.ringway) publish sync --control "
                        + "\(controlled.socket) --file /dev/null; done >/dev/null",
                ])
                let copy = bed.directory + "/copy"
                _ = try machine.run(
                    ["curl", "-sSf", "-o", copy, "http://192.168.127.254:8000/noise"], within: .seconds(35)
                ).requireSuccess()
                #expect(FileManager.default.contentsEqual(atPath: path, andPath: copy))
                _ = try machine.run(["ping", "-c", "5", "-i", "0.2", "-W", "1", "192.168.127.1"]).requireSuccess()
                _ = try noise.waitForEnd(within: .seconds(60)).requireSuccess()
                let outcome = try crowd.waitForEnd(within: .seconds(60))
                #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
                #expect(try controlled.ringway("status").status == 0)
            }
        }
    }
}
