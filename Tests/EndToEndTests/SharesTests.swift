import Foundation
import Testing

extension EndToEnd {
    /// What guests of one network share, beside a guest that takes all it can get.
    @Suite("Shares")
    struct SharesTests {
        /// Two guests of one `serve`, the first of which is the hostile one.
        private static func makeGuests(_ bed: TestBed, link: String) throws -> (VirtualMachine, VirtualMachine) {
            let machines = (try VirtualMachine(bed, "hostile"), try VirtualMachine(bed, "good"))
            for (machine, mac) in [(machines.0, "52:54:00:00:09:01"), (machines.1, "52:54:00:00:09:02")] {
                try machine.plug(link, mac)
                try machine.configure()
            }
            return machines
        }

        @Test func `a guest whose names are never answered leaves other guests their names`() throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("nameserver.py"), ["127.0.0.1", "5300"])
                let link = "qemu:\(bed.directory)/q"
                let service = try Service(bed, ["--listen", link, "--dns", "127.0.0.1:5300"])
                let (hostile, good) = try Self.makeGuests(bed, link: link)
                let flood = try hostile.start([
                    "python3", Machine.program("ask_in_vain.py"), "192.168.127.1", "4096",
                ])
                try flood.waitForOutput("asked")
                try service.waitForCounters("queries in every place") { $0["dns.outstanding", default: 0] >= 4_000 }
                for number in 0..<32 {
                    let name = "good\(number).test"
                    let answer = try good.run(["dig", "+short", "+tries=3", "+time=5", "@192.168.127.1", name])
                    #expect(answer.output == "192.0.2.7\n", "\(name)")
                }
                try service.waitForCounters("what was displaced") { $0["dns.displaced", default: 0] > 0 }
                #expect(flood.isRunning && service.program.isRunning)
            }
        }

        @Test func `a guest whose names take every descriptor leaves other guests their names`() throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("nameserver.py"), ["127.0.0.1", "5300"])
                let link = "qemu:\(bed.directory)/q"
                let service = try Service(bed, ["--listen", link, "--dns", "127.0.0.1:5300"])
                let (hostile, good) = try Self.makeGuests(bed, link: link)
                let process = service.program.identifier
                _ = try bed.runAnywhere(["prlimit", "--pid", "\(process)", "--nofile=256:256"]).requireSuccess()
                let flood = try hostile.start([
                    "python3", Machine.program("ask_in_vain.py"), "192.168.127.1", "1024",
                ])
                try flood.waitForOutput("asked")
                try waitUntil("the last descriptor") {
                    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count >= 250
                }
                for number in 0..<32 {
                    let name = "good\(number).test"
                    let answer = try good.run(["dig", "+short", "+tries=3", "+time=5", "@192.168.127.1", name])
                    #expect(answer.output == "192.0.2.7\n", "\(name)")
                }
                #expect(flood.isRunning && service.program.isRunning)
            }
        }

        @Test("connections that say nothing do not keep a guest out", arguments: ["qemu", "vpnkit"])
        func hearsGuests(beside kind: String) throws {
            try TestBed.use { bed in
                let link = "\(kind):\(bed.directory)/link"
                let service = try Service(bed, ["--listen", link])
                let silent = try bed.start(["python3", Machine.program("silent.py"), "\(bed.directory)/link", "200"])
                try silent.waitForOutput("silent")
                let machine = try VirtualMachine(bed, "machine")
                try machine.plug(link, "52:54:00:00:09:03")
                try machine.configure()
                #expect(try machine.reaches("192.168.127.1"))
                #expect(silent.isRunning && service.program.isRunning)
            }
        }

        @Test func `connections that say nothing do not keep an agent out`() throws {
            try TestBed.use { bed in
                let path = "\(bed.directory)/agents"
                let service = try Service(bed, ["--listen", "unix:\(path)"])
                let silent = try bed.start(["python3", Machine.program("silent.py"), path, "1200"])
                try silent.waitForOutput("silent")
                let guest = try bed.makeNamespace("guest")
                let agent = try bed.start(
                    [
                        Machine.agent, "run", "--host", "unix:\(path)", "--queues", "1", "--configure", "--resolv-conf",
                        "", "--request-socket", "",
                    ], in: guest)
                try agent.waitForErrors("ringway-agent: ")
                #expect(agent.errors.contains("connected") && !agent.errors.contains("trying again"), "\(agent.errors)")
                #expect(try bed.run(["ping", "-c", "1", "-w", "5", "192.168.127.1"], in: guest).status == 0)
                #expect(silent.isRunning && service.program.isRunning)
            }
        }

        @Test func `frames of a neighbour's flood come behind the gateway's answers`() throws {
            try TestBed.use { bed in
                let service = try Service(bed, ["--listen", "qemu:\(bed.directory)/q"])
                let flood = try bed.run(["python3", Machine.program("beside_flood.py"), "\(bed.directory)/q", "100"])
                let words = try flood.requireSuccess().split(whereSeparator: \.isWhitespace)
                try #require(words.count == 3 && words[0] == "between", "\(flood.output)")
                let median = try #require(Int(words[1]))
                // What the link holds and one lot; thousands where the flood has the link to itself.
                #expect(median < 500)
                try service.waitForCounters("frames that were dropped") {
                    $0["neighborsThrottled", default: 0] + $0["neighborInboxFull", default: 0] > 0
                }
                #expect(service.program.isRunning)
            }
        }

        @Test("pings by raw sockets share one of each family", arguments: EndToEnd.shards)
        func sharesRawSockets(shards: Int) throws {
            try TestBed.use { bed in
                // As the kernel has it by default: no ping sockets for anybody.
                try bed.set("net.ipv4.ping_group_range", "1 0", in: bed.host)
                let guest = try Guest(bed, shards: shards)
                let before = try guest.descriptors()
                for family in Family.allCases {
                    let pings = try guest.run(["python3", Machine.program("pings.py"), family.host, "100"])
                    #expect(pings.output == "answered 100 0\n", "\(family): \(pings.output)\(pings.errors)")
                }
                #expect(try guest.renewedStatistics()["hostSockets", default: 0] <= 2 * shards)
                #expect(try guest.descriptors() <= before + 2 * shards)
            }
        }

        @Test func `a route is traced by raw sockets, for each of those who trace`() throws {
            try TestBed.use { bed in
                try bed.set("net.ipv4.ping_group_range", "1 0", in: bed.host)
                _ = try bed.makeRouter()
                let guest = try Guest(bed, shards: 1)
                let traces = try (0..<4).map { _ in
                    try guest.start(["traceroute", "-I", "-n", "-q", "1", "-w", "5", "-m", "5", "10.77.2.2"])
                }
                for trace in traces {
                    let hops = try trace.waitForEnd().requireSuccess()
                    #expect(hops.contains(" 10.77.1.2 ") && hops.contains(" 10.77.2.2 "), "\(hops)")
                }
            }
        }

        // MARK: Queues

        /// Threads of the data path.
        private static func shards(of process: pid_t) throws -> Int {
            let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
            return threads.count { thread in
                let name = FileManager.default.contents(atPath: "/proc/\(process)/task/\(thread)/comm") ?? Data()
                return String(decoding: name, as: UTF8.self) == "ringway-shard\n"
            }
        }

        @Test(
            "an agent that offers 64 queues gets what the host gives",
            arguments: [(["--shards", "1"], 1), (["--max-queues", "3"], 3)])
        func boundsQueues(options: [String], expected: Int) throws {
            try TestBed.use { bed in
                let path = "\(bed.directory)/agents"
                let service = try Service(bed, ["--listen", "unix:\(path)"] + options)
                let agent = try bed.start(
                    ["python3", Machine.program("raw_agent.py"), path, "64"], keepsInput: true)
                try agent.waitForOutput("queues")
                #expect(agent.output == "welcome \(expected)\nqueues \(expected)\n")
                // A thread has its name a moment after it has begun.
                try waitUntil("\(expected) shards") {
                    try Self.shards(of: service.program.identifier) == expected
                }
                try service.waitForCounters("the queues that were refused") { $0["queuesRefused"] == 64 - expected }
            }
        }

        @Test func `an agent whose queues are not all taken carries frames by those that are`() throws {
            try TestBed.use { bed in
                let pair = try AgentPair(bed, queues: 4, ["--max-queues", "2"])
                for family in Family.allCases {
                    _ = try pair.run(["ping", "-c", "3", "-i", "0.1", family.host]).requireSuccess()
                }
                // Many flows, so that some would be lost with a queue to which nobody listens.
                _ = try bed.serve(Machine.flows, ["serve", "7000"])
                let report = try pair.run(["python3", Machine.flows, "hold", Family.ipv4.host, "7000", "100"])
                #expect(report.status == 0, "\(report.output)")
                try waitUntil("two shards") { try Self.shards(of: pair.service.identifier) == 2 }
            }
        }
    }
}
