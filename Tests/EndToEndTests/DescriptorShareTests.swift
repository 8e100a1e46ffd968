import Foundation
import Testing

extension EndToEnd {
    /// Process-wide resources shared by guests.
    @Suite("Shares of descriptors")
    struct DescriptorShareTests {
        /// `ringway serve` with a limit of descriptors, and an echo server on its host.
        private static func serve(_ bed: TestBed, descriptors: Int, _ options: [String] = []) throws -> Service {
            _ = try bed.serve(Machine.flows, ["serve", "7000"])
            return try Service(
                bed,
                ["--listen", "qemu:\(bed.directory)/q", "--control", "\(bed.directory)/control"] + options,
                launcher: ["prlimit", "--nofile=\(descriptors):\(descriptors)"])
        }

        private static func plug(_ bed: TestBed, _ number: Int) throws -> VirtualMachine {
            let machine = try VirtualMachine(bed, "machine\(number)")
            try machine.plug("qemu:\(bed.directory)/q", "52:54:00:00:11:0\(number)")
            try machine.configure()
            return machine
        }

        /// The number of connections served, and the duration of the slowest.
        private static func serveBystander(_ machine: VirtualMachine, count: Int) throws -> (Int, Double) {
            let report = try machine.run([
                "python3", Machine.program("bystander.py"), "192.168.127.254", "7000", "\(count)",
            ]).requireSuccess().split(separator: " ")
            return (try #require(Int(report[1])), try #require(Double(report[3].dropLast())))
        }

        private static func isControlled(_ bed: TestBed) throws -> Bool {
            try bed.ringway(["status", "--control", "\(bed.directory)/control"], within: .seconds(5)).status == 0
        }

        @Test("leave other guests theirs when one takes all it can get", arguments: ["tcp", "udp"])
        func leaveOthersTheirs(kind: String) throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed, descriptors: 512)
                if kind == "udp" { _ = try bed.serve(Machine.program("echo_datagrams.py"), ["7000"]) }
                let (greedy, modest) = (try Self.plug(bed, 1), try Self.plug(bed, 2))
                let hoard = try bed.start(
                    ["python3", Machine.program("hoard.py"), kind, "192.168.127.254", "7000", "1000"],
                    in: greedy.namespace, keepsInput: true)
                try hoard.waitForOutput("opened", within: .seconds(20))
                #expect(try Self.isControlled(bed))
                let status = try bed.ringway(["status", "--control", "\(bed.directory)/control"]).output
                #expect(
                    status.contains("descriptors of flows") && status.contains("guest guest-2; ulimit -n"), "\(status)")
                // An unanswered SYN is repeated after a second.
                let (served, slowest) = try Self.serveBystander(modest, count: 60)
                #expect(served == 60)
                #expect(slowest < 0.9)
                let third = try Self.plug(bed, 3)
                #expect(try Self.serveBystander(third, count: 20).0 == 20)
                hoard.closeInput()
                let outcome = try hoard.waitForEnd()
                if kind == "tcp" {
                    let words = outcome.output.split(whereSeparator: \.isWhitespace)
                    // More than its share while it was free, and its share at the end.
                    #expect(try #require(Int(words[1])) > 200)
                    #expect(try #require(Int(words[3])) > 0)
                    #expect(try #require(Int(words[5])) > 80)
                }
                try service.waitForCounters(of: "guest-2", "flows that were given back") {
                    $0["flowsGivenBack", default: 0] > 0
                }
                try service.waitForCounters(of: "guest-3", "no flow given back by others") {
                    $0["flowsGivenBack", default: 0] == 0
                }
                #expect(try service.end().status == 0)
            }
        }

        @Test func `leave other guests theirs when clients fill a published port`() throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed, descriptors: 512, ["-p", "192.168.127.2=7500:7500"])
                let (published, modest) = (try Self.plug(bed, 1), try Self.plug(bed, 2))
                _ = try bed.serve(Machine.flows, ["serve", "7500"], in: published.namespace)
                let hoard = try bed.start(
                    ["python3", Machine.program("hoard.py"), "tcp", "127.0.0.1", "7500", "1000"], keepsInput: true)
                try hoard.waitForOutput("opened", within: .seconds(20))
                let (served, slowest) = try Self.serveBystander(modest, count: 60)
                #expect(served == 60)
                #expect(slowest < 0.9)
                #expect(try Self.isControlled(bed))
                hoard.closeInput()
                _ = try hoard.waitForEnd()
                #expect(try service.end().status == 0)
            }
        }

        @Test func `leave other guests theirs when one replaces its connects faster than they can close`() throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed, descriptors: 2_048)
                let (hostile, modest) = (try Self.plug(bed, 1), try Self.plug(bed, 2))
                #expect(try hostile.reaches("192.168.127.1"))
                let flood = try hostile.start([
                    "python3", Machine.program("syn_flood.py"), "192.168.127.2", "192.168.127.254", "7000",
                    "198.51.100",
                ])
                try flood.waitForOutput("flooding")
                try service.waitForCounters(of: "guest-2", "connects that end for others") {
                    $0["tcpHalfOpenEvicted", default: 0] > 0
                }
                let (served, slowest) = try Self.serveBystander(modest, count: 100)
                #expect(served == 100)
                // A lost SYN is repeated after a second.
                #expect(slowest < 0.9)
                #expect(try Self.isControlled(bed))
                flood.send(SIGKILL)
                #expect(try service.end().status == 0)
            }
        }

        @Test func `count clients of the control socket, of which guests must not notice anything`() throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed, descriptors: 1_024)
                let (greedy, modest) = (try Self.plug(bed, 1), try Self.plug(bed, 2))
                let hoard = try bed.start(
                    ["python3", Machine.program("hoard.py"), "tcp", "192.168.127.254", "7000", "1000"],
                    in: greedy.namespace, keepsInput: true)
                try hoard.waitForOutput("opened", within: .seconds(20))
                let silent = try bed.start(
                    ["python3", Machine.program("silent.py"), "\(bed.directory)/control", "400"])
                try silent.waitForOutput("silent")
                let (served, slowest) = try Self.serveBystander(modest, count: 100)
                #expect(served == 100)
                #expect(slowest < 0.9)
                // The guest has returned the borrowed descriptors that its clients held.
                try service.waitForCounters(of: "guest-2", "flows that were given back") {
                    $0["flowsGivenBack", default: 0] > 0
                }
                silent.send(SIGKILL)
                try waitUntil("an answer on the control socket") { try Self.isControlled(bed) }
                hoard.closeInput()
                _ = try hoard.waitForEnd()
                #expect(try service.end().status == 0)
            }
        }

        @Test func `refuse guests that do not fit, with a reason, and serve those that do`() throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed, descriptors: 256)
                let machine = try Self.plug(bed, 1)
                let joiners = try bed.start(
                    ["python3", Machine.program("joiners.py"), "\(bed.directory)/q", "40"], keepsInput: true)
                try joiners.waitForOutput("joined", within: .seconds(30))
                let words = joiners.output.split(whereSeparator: \.isWhitespace)
                let (joined, refused) = (try #require(Int(words[1])), try #require(Int(words[3])))
                #expect(joined >= 2 && joined + refused == 40, "\(joiners.output)")
                try service.waitForLine("descriptors that the process may have are left for one more guest")
                #expect(try Self.serveBystander(machine, count: 10).0 == 10)
                #expect(try Self.isControlled(bed))
                joiners.closeInput()
                _ = try joiners.waitForEnd()
                try waitUntil("a guest in their place") {
                    let late = try bed.start(
                        ["python3", Machine.program("joiners.py"), "\(bed.directory)/q", "1"])
                    return try late.waitForEnd(within: .seconds(15)).output.contains("joined 1")
                }
                #expect(try service.end().status == 0)
            }
        }

        @Test func `give everything back that was counted`() throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed, descriptors: 512, ["-p", "7500:7500"])
                let machine = try Self.plug(bed, 1)
                _ = try bed.serve(Machine.flows, ["serve", "7500"], in: machine.namespace)
                // Several times the limit, so that a leak would be noticed.
                for _ in 0..<4 {
                    _ = try machine.run([
                        "python3", Machine.flows, "cycle", "192.168.127.254", "7000", "400",
                    ]).requireSuccess()
                    _ = try bed.run(["python3", Machine.flows, "cycle", "127.0.0.1", "7500", "400"]).requireSuccess()
                    let names = (1...100).map { "n\($0).ringway.internal" }
                    _ = try machine.run(["dig", "+short", "@192.168.127.1"] + names + ["+tcp"])
                }
                #expect(try Self.serveBystander(machine, count: 200).0 == 200)
                try Self.waitForRest(bed, atMost: 0)
                #expect(try service.end().status == 0)
            }
        }

        @Test func `give everything back that went around the link, or through an agent`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 2, ["-p", "7500:7500", "--control", "\(bed.directory)/control"])
                _ = try guest.serve(Machine.flows, ["serve", "7500"])
                _ = try bed.run(["python3", Machine.flows, "cycle", "127.0.0.1", "7500", "1000"]).requireSuccess()
                // Reserved pipes and sockets.
                try Self.waitForRest(bed, atMost: 2 * (32 + 32))
                _ = try guest.end()
            }
            try TestBed.use { bed in
                let pair = try AgentPair(bed, ["--control", "\(bed.directory)/control", "--follow-ports"])
                _ = try pair.serve(Machine.flows, ["serve", "7600"])
                try bed.waitForListener(at: 7600)
                _ = try bed.run(["python3", Machine.flows, "cycle", "127.0.0.1", "7600", "1000"]).requireSuccess()
                // Also the agent's ready streams.
                try Self.waitForRest(bed, atMost: 32 + 40)
            }
        }

        private struct Status: Decodable {
            struct Bound: Decodable {
                let name: String
                let inUse: Int
            }
            let bounds: [Bound]
        }

        /// Waits until all guests' flows hold at most this many descriptors.
        private static func waitForRest(_ bed: TestBed, atMost rest: Int) throws {
            var held = Int.max
            do {
                try waitUntil("the descriptors of flows", within: .seconds(10)) {
                    let report = try bed.ringway(["status", "--json", "--control", "\(bed.directory)/control"])
                    let status = try JSONDecoder().decode(Status.self, from: Data(report.requireSuccess().utf8))
                    held = status.bounds.first { $0.name == "descriptors of flows" }?.inUse ?? .max
                    return held <= rest
                }
            } catch {
                throw TestFailure("\(error): \(held) are held")
            }
        }

        @Test func `notice at once that a client leaves whose guest does not answer`() throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed, descriptors: 1_024, ["-p", "192.168.127.2=7500:7500"])
                let machine = try Self.plug(bed, 1)
                #expect(try machine.reaches("192.168.127.1"))
                _ = try machine.run([
                    "nft",
                    "add table ip deaf; add chain ip deaf in { type filter hook input priority 0; policy accept; };"
                        + " add rule ip deaf in tcp dport 7500 drop",
                ]).requireSuccess()
                let before = try Self.descriptors(of: service.program)
                for reset in [true, false] {
                    _ = try bed.run(["python3", Machine.program("leavers.py"), "7500", "200", "\(reset)"])
                        .requireSuccess()
                    // The SYN times out after seven seconds, and is repeated after one.
                    try waitUntil("the end of clients that have left", within: .seconds(reset ? 1 : 3)) {
                        try Self.descriptors(of: service.program) <= before
                    }
                }
                #expect(try service.end().status == 0)
            }
        }

        private static func descriptors(of program: Program) throws -> Int {
            try FileManager.default.contentsOfDirectory(atPath: "/proc/\(program.identifier)/fd").count
        }
    }
}
