import Foundation
import Testing

extension EndToEnd {
    /// Clients on the host's loopback reach the guest's servers by a socket inside the guest.
    @Suite("Spliced connections")
    struct SpliceTests {
        static let ends = Machine.program("ends.py")
        static let talk = Machine.program("talk.py")
        static let cases = [
            "both-ways", "half-closed-by-client", "half-closed-by-server", "reset-by-client", "reset-by-server",
            "reset-by-client-half-closed", "reset-by-server-half-closed", "reset-by-client-while-full",
            "reset-by-server-while-full", "reader-rests",
        ]

        @Test("are what a connection is, from its first byte to its end", arguments: shards, Family.allCases)
        func areConnections(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: shards, ["-p", "8000-8099:9000-9099"])
                for (index, name) in Self.cases.enumerated() {
                    let outcome = try bed.run([
                        "python3", Self.ends, family.loopback, "\(8000 + index)", "\(guest.command)",
                        "\(9000 + index)", name,
                    ])
                    #expect(outcome.output == "\(name) from \(family.host) same port\n", "\(outcome.errors)")
                }
                let statistics = try atRest(guest)
                #expect(allAreSpliced(statistics, of: Self.cases.count))
                #expect(isLate(statistics) || statistics["splicedReset"] == Self.cases.count { $0.hasPrefix("reset") })
            }
        }

        @Test("take the interface when told so", arguments: [["--no-splice"], ["--capture", "/dev/null"]])
        func takeTheInterface(options: [String]) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["-p", "8000:9000"] + options)
                let outcome = try bed.run([
                    "python3", Self.ends, Family.ipv4.loopback, "8000", "\(guest.command)", "9000",
                    "half-closed-by-client",
                ])
                #expect(outcome.output.contains("from \(Family.ipv4.host) same port"), "\(outcome.errors)")
                let statistics = try guest.renewedStatistics()
                #expect(statistics["splicedOpened"] == 0)
                #expect(statistics["tcpOpenedByHost"] == 1)
            }
        }

        @Test func `are for loopback clients alone`() throws {
            try TestBed.use { bed in
                let client = try bed.makeNamespace("client")
                try bed.connect(bed.host, client, network: 3)
                let guest = try Guest(bed, shards: 1, ["-p", "8080:80"])
                _ = try guest.serve(Machine.flows, ["serve", "80", "--greet"])
                for (namespace, address) in [(client, "10.77.3.1"), (client, "fd77:3::1"), (bed.host, "10.77.3.1")] {
                    _ = try bed.run(["python3", Machine.flows, "greet", address, "8080"], in: namespace)
                        .requireSuccess()
                }
                #expect(try guest.renewedStatistics()["splicedOpened"] == 0)
                _ = try bed.run(["python3", Machine.flows, "greet", "127.9.9.9", "8080"]).requireSuccess()
                #expect(try guest.renewedStatistics()["splicedOpened"] == 1)
            }
        }

        @Test("carry a thousand at once, and leave nothing behind", arguments: shards, Family.allCases)
        func carryAThousand(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: shards, ["-p", "7000-7003:7000-7003"])
                _ = try guest.serve(Machine.flows, ["serve", "7000-7003"])
                let before = try guest.descriptors()
                for _ in 0..<2 {
                    let hold = try bed.run(["python3", Machine.flows, "hold", family.loopback, "7000-7003", "1000"])
                    #expect(hold.status == 0, "\(hold.output)")
                    let cycle = try bed.run(["python3", Machine.flows, "cycle", family.loopback, "7000-7003", "3000"])
                    #expect(cycle.status == 0, "\(cycle.output)")
                }
                let statistics = try atRest(guest)
                #expect(allAreSpliced(statistics, of: 8000))
                // What is kept for the next: sockets of one family, and empty pipes.
                let kept = shards * (80 + 2 * 16)
                try waitUntil("the closing of descriptors") { try guest.descriptors() <= before + kept }
            }
        }

        @Test("beyond their bound take the interface", arguments: shards)
        func areBounded(shards: Int) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: shards, ["-p", "7000:7000", "--max-spliced", "10"])
                _ = try guest.serve(Machine.flows, ["serve", "7000"])
                let hold = try bed.run(["python3", Machine.flows, "hold", "127.0.0.1", "7000", "100"])
                #expect(hold.status == 0, "\(hold.output)")
                let statistics = try guest.renewedStatistics()
                #expect(statistics["splicedOpened", default: .max] <= 10 * shards)
                #expect(isLate(statistics) || statistics["splicedOpened"] == 10 * shards)
                #expect(isLate(statistics) || statistics["splicedBeyondLimit"] == 100 - 10 * shards)
                #expect(isLate(statistics) || statistics["tcpOpenedByHost"] == 100 - 10 * shards)
            }
        }

        @Test func `go on when descriptors run out`() throws {
            try TestBed.use { bed in
                // About half of them are open for as long as the network lives; the clients want many more than the rest.
                let guest = try Guest(bed, shards: 1, ["-p", "7000:7000"], launcher: ["prlimit", "--nofile=72:72"])
                _ = try guest.serve(Machine.flows, ["serve", "7000"])
                // Those for whom no descriptor is left at all are turned away; none waits in vain.
                let hold = try bed.run(["python3", Machine.flows, "hold", "127.0.0.1", "7000", "80"])
                #expect(!hold.output.contains("nothing for"), "\(hold.output)")
                _ = try atRest(guest)
                let cycle = try bed.run([
                    "python3", Machine.flows, "cycle", "127.0.0.1", "7000", "100", "--at-once", "2",
                ])
                #expect(cycle.status == 0, "\(cycle.output)")
            }
        }

        @Test func `that the guest's packet filter swallows go by the interface`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["-p", "8080:80"])
                _ = try guest.run([
                    "nft",
                    "table inet redirected { chain local { type filter hook output priority 0; "
                        + "oifname lo tcp dport 80 drop; }; }",
                ]).requireSuccess()
                _ = try guest.serve(Machine.flows, ["serve", "80", "--greet"])
                for _ in 0..<3 {
                    let report = try bed.run(["python3", Machine.flows, "greet", "127.0.0.1", "8080"])
                    #expect(report.output.contains("\"clients\": {\"\(Family.ipv4.host)\": 1}"), "\(report.output)")
                }
                let statistics = try guest.renewedStatistics()
                #expect(statistics["splicedTimedOut"] == 1, "the second and third do not try")
                #expect(statistics["tcpOpenedByHost"] == 3)
            }
        }

        @Test("that are refused are refused by the guest itself", arguments: Family.allCases)
        func areRefused(family: Family) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["-p", "8080:80"])
                let client = try bed.run(["python3", Self.talk, "call", family.loopback, "8080", "read-all"])
                #expect(client.output.contains("ECONNRESET"))
                let statistics = try guest.renewedStatistics()
                #expect(statistics["splicedRefused"] == 1)
                #expect(statistics["tcpRefused"] == 1)
            }
        }

        @Test func `leave the guest's own traffic to the host alone`() throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.flows, ["serve", "7000", "--greet"])
                let guest = try Guest(bed, shards: 1, ["-p", "8080:80"])
                _ = try guest.serve(Machine.flows, ["serve", "80"])
                #expect(try bed.run(["python3", Machine.flows, "cycle", "127.0.0.1", "8080", "1"]).status == 0)
                for family in Family.allCases {
                    let report = try guest.run(["python3", Machine.flows, "greet", family.host, "7000"])
                    #expect(report.output.contains("\"clients\": {\"\(family.loopback)\": 1}"), "\(report.output)")
                }
            }
        }

        @Test func `end when COMMAND ends, with what it said last`() throws {
            try TestBed.use { bed in
                let server = try bed.start([
                    Machine.ringway, "run", "-p", "8080:80", "--", "python3", Self.talk, "listen", "80", "read:8",
                    "send:1000000", "close",
                ])
                try server.waitForOutput("listening")
                let client = try bed.run(["python3", Self.talk, "call", "127.0.0.1", "8080", "send:8", "read-all"])
                #expect(client.output.hasPrefix("connected\nread 1000000 "), "\(client.output)")
                #expect(try server.waitForEnd().status == 0)
                let idle = try bed.start([
                    Machine.ringway, "run", "-p", "8080:80", "--", "python3", Self.talk, "listen", "80", "read:8",
                ])
                try idle.waitForOutput("listening")
                let other = try bed.start(["python3", Self.talk, "call", "127.0.0.1", "8080", "read-all"])
                try idle.waitForOutput("from")
                idle.send(SIGTERM)
                #expect(try other.waitForEnd().output.hasPrefix("connected\n"))
                _ = try idle.waitForEnd()
            }
        }

        @Test func `are no child of COMMAND's and hold none of its files`() throws {
            try TestBed.use { bed in
                let outcome = try bed.ringway([
                    "run", "-p", "8080:80", "--", "sh", "-c",
                    "read children </proc/$$/task/$$/children; printf %s \"$children\"; for f in /proc/[0-9]*/comm; do d=${f%/comm}; "
                        + "grep -q ringway-keeper $f && readlink $d/fd/0 $d/fd/1 $d/fd/2; done; true",
                ])
                #expect(outcome.status == 0)
                #expect(outcome.output.isEmpty, "\(outcome.output)")
            }
        }

        @Test("work for an ordinary user", arguments: Family.allCases)
        func workWithoutPrivilege(family: Family) throws {
            try TestBed.use { bed in
                // Copies, because the user need not be able to read where this was built; and a device of the test's
                // own, because not every machine opens its own to everybody.
                let binary = "\(bed.directory)/ringway"
                let server = "\(bed.directory)/flows.py"
                let device = "\(bed.directory)/tun"
                let counters = "\(bed.directory)/counters"
                _ = try bed.runAnywhere(["cp", Machine.ringway, binary]).requireSuccess()
                _ = try bed.runAnywhere(["cp", Machine.flows, server]).requireSuccess()
                _ = try bed.runAnywhere(["chmod", "755", binary, server]).requireSuccess()
                _ = try bed.runAnywhere(["mkdir", "-m", "777", counters]).requireSuccess()
                _ = try bed.runAnywhere(["mknod", "-m", "666", device, "c", "10", "200"]).requireSuccess()
                let bridge = try bed.start([
                    "unshare", "--mount", "sh", "-c", "mount --bind \"$0\" /dev/net/tun && exec setpriv \"$@\"", device,
                    "--reuid=65534", "--regid=65534", "--clear-groups", binary, "run", "--ipv6-prefix", Family.prefix,
                    "--statistics", "\(counters)/file", "-p", "8080:80", "--", "python3", server, "serve", "80",
                    "--greet",
                ])
                try bridge.waitForOutput("listening")
                let report = try bed.run(["python3", Machine.flows, "greet", family.loopback, "8080"])
                #expect(report.output.contains("\"clients\": {\"\(family.host)\": 1}"), "\(report.output)")
                bridge.send(SIGTERM)
                _ = try bridge.waitForEnd()
                let statistics = String(
                    decoding: FileManager.default.contents(atPath: "\(counters)/file") ?? Data(), as: UTF8.self)
                #expect(statistics.contains("\"splicedOpened\":1,"), "\(statistics)")
            }
        }

        /// Whether a busy machine has given connections no socket in time: they go by the interface, as do those right
        /// behind them.
        private func isLate(_ statistics: [String: Int]) -> Bool {
            statistics["splicedTimedOut", default: 0] + statistics["splicedWithoutSocket", default: 0] > 0
        }

        /// Whether so many connections were carried, none of them by the interface but where the machine was busy, and then
        /// the smaller part.
        private func allAreSpliced(_ statistics: [String: Int], of count: Int) -> Bool {
            let byInterface = statistics["tcpOpenedByHost", default: 0]
            guard statistics["splicedOpened", default: 0] + byInterface == count else { return false }
            return byInterface == 0 || isLate(statistics) && 2 * byInterface < count
        }

        /// The counters once no spliced connection is left.
        private func atRest(_ guest: Guest) throws -> [String: Int] {
            var last: [String: Int] = [:]
            try waitUntil("the end of all connections", within: .seconds(20)) {
                last = try guest.renewedStatistics()
                return last["splicedConnections"] == 0
            }
            return last
        }
    }
}
