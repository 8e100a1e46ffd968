import Testing

extension EndToEnd {
    /// The gateway's name service, compared with the nameserver that the host would ask.
    @Suite("Names")
    struct NameTests {
        struct Question: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let arguments: [String]

            init(_ description: String, _ arguments: String...) {
                testDescription = description
                self.arguments = arguments
            }
        }

        static let questions = [
            Question("A", "www.example.test", "A"),
            Question("AAAA", "www.example.test", "AAAA"),
            Question("TXT", "example.test", "TXT"),
            Question("SRV", "_web._tcp.example.test", "SRV"),
            Question("MX", "example.test", "MX"),
            Question("4 KiB over UDP with EDNS", "large.example.test", "TXT", "+bufsize=4096", "+ignore"),
            Question("4 KiB cut short without EDNS", "large.example.test", "TXT", "+noedns", "+ignore"),
            Question("4 KiB over TCP", "large.example.test", "TXT", "+tcp"),
            Question("NXDOMAIN", "nobody.example.test", "A"),
            Question("no data", "www.example.test", "MX"),
        ]

        @Test("are what the host's nameserver says", arguments: shards)
        func areForwarded(shards: Int) throws {
            try TestBed.use { bed in
                try startNameServer(bed, at: "127.0.0.1", address: "192.0.2.10")
                let guest = try Guest(bed, shards: shards)
                for question in Self.questions {
                    let host = try answer(bed.run(dig(question.arguments)))
                    let seen = try answer(guest.run(dig(question.arguments)))
                    #expect(seen == host, "\(question.testDescription)")
                }
                let large = try guest.run(dig(["large.example.test", "TXT", "+bufsize=4096", "+ignore"]))
                #expect(large.output.utf8.count > 4096)
                #expect(!large.output.contains("flags: qr aa tc"))
            }
        }

        @Test("of host and gateway are built in, and their addresses lead back to them", arguments: shards)
        func areBuiltIn(shards: Int) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: shards)
                func short(_ arguments: String...) throws -> String {
                    try guest.run(["dig", "+short", "+time=2", "+tries=2"] + arguments).requireSuccess()
                }
                for name in ["host.ringway.internal", "host.docker.internal", "host.containers.internal"] {
                    #expect(try short(name, "A") == "192.168.127.254\n")
                    #expect(try short(name, "AAAA") == "fd00:1:2:3::fe\n")
                }
                for name in ["gateway.ringway.internal", "gateway.docker.internal"] {
                    #expect(try short(name, "A") == "192.168.127.1\n")
                    #expect(try short(name, "AAAA") == "fd00:1:2:3::1\n")
                }
                #expect(try short("-x", "192.168.127.254") == "host.ringway.internal.\n")
                #expect(try short("-x", "fd00:1:2:3::fe") == "host.ringway.internal.\n")
                #expect(try short("-x", "192.168.127.1") == "gateway.ringway.internal.\n")
                #expect(try short("+tcp", "host.ringway.internal", "A") == "192.168.127.254\n")
            }
        }

        @Test func `follow the host's resolv.conf when it changes`() throws {
            try TestBed.use { bed in
                try startNameServer(bed, at: "127.0.0.1", address: "192.0.2.10")
                try startNameServer(bed, at: "127.0.0.2", address: "192.0.2.20")
                try bed.setNameServer("127.0.0.1")
                let guest = try Guest(bed, shards: 1)
                func address() throws -> String { try guest.run(["dig", "+short", "www.example.test", "A"]).output }
                #expect(try address() == "192.0.2.10\n")
                try bed.setNameServer("127.0.0.2")
                try waitUntil("the new nameserver's answer") { try address() == "192.0.2.20\n" }
            }
        }

        @Test func `are asked of the server that --dns names`() throws {
            try TestBed.use { bed in
                try startNameServer(bed, at: "127.0.0.1", address: "192.0.2.10")
                try startNameServer(bed, at: "127.0.0.3", address: "192.0.2.30")
                let guest = try Guest(bed, shards: 1, ["--dns", "127.0.0.3"])
                #expect(try guest.run(["dig", "+short", "www.example.test", "A"]).output == "192.0.2.30\n")
            }
        }

        @Test func `get SERVFAIL when no nameserver answers`() throws {
            try TestBed.use { bed in
                try bed.setNameServer("127.0.0.1")
                let guest = try Guest(bed, shards: 1)
                let answer = try guest.run(["dig", "+time=10", "+tries=1", "www.example.test", "A"])
                #expect(answer.output.contains("status: SERVFAIL"))
            }
        }

        private func startNameServer(_ bed: TestBed, at server: String, address: String) throws {
            // Twenty strings of two hundred bytes: a record of a little more than 4 KiB would not fit.
            let large = (0..<20).map { _ in String(repeating: "x", count: 200) }.joined(separator: ",")
            try bed.setNameServer(server)
            let program = try bed.start([
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                "--pid-file=", "--bind-interfaces", "--listen-address=\(server)", "--local=/test/",
                "--edns-packet-max=4096", "--host-record=www.example.test,\(address),2001:db8::10",
                "--txt-record=example.test,one,two", "--srv-host=_web._tcp.example.test,www.example.test,8080,5,10",
                "--mx-host=example.test,mail.example.test,10", "--txt-record=large.example.test,\(large)",
                "--log-facility=-",
            ])
            try waitUntil("the nameserver") {
                guard program.isRunning else { throw TestFailure("dnsmasq ended: \(program.errors)") }
                return try bed.run(["dig", "@\(server)", "+time=1", "+tries=1", "www.example.test"]).status == 0
            }
        }

        private func dig(_ arguments: [String]) -> [String] {
            ["dig", "+nocmd", "+nostats", "+nocookie", "+time=3", "+tries=2"] + arguments
        }

        /// The whole answer but for its number, which is random, and the order of records, which means nothing.
        private func answer(_ outcome: Program.Outcome) throws -> [String] {
            try outcome.requireSuccess().split(separator: "\n").map { line in
                line.split(separator: ", ").filter { !$0.hasPrefix("id: ") }.joined(separator: ", ")
            }.sorted()
        }
    }
}
