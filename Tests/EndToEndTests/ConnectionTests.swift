import Testing

extension EndToEnd {
    /// What the guest sees is what the host's socket met.
    @Suite("Connections")
    struct ConnectionTests {
        static let talk = Machine.program("talk.py")

        @Test("are refused at once where nobody listens", arguments: shards, Family.allCases)
        func areRefused(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: shards)
                let (name, seconds) = try failure(guest.run(["python3", Self.talk, "call", family.host, "7000"]))
                #expect(name == "ECONNREFUSED")
                #expect(seconds < 0.9, "the guest's own second attempt would come after a second")
            }
        }

        @Test("to hosts that do not exist fail as unreachable", arguments: Family.allCases)
        func areUnreachable(family: Family) throws {
            try TestBed.use { bed in
                let router = try bed.makeRouter()
                try bed.configure(router, ["route", "add", "unreachable", "198.51.100.0/24"])
                try bed.configure(router, ["-6", "route", "add", "unreachable", "2001:db8:1::/48"])
                let guest = try Guest(bed, shards: 1)
                let address = family == .ipv4 ? "198.51.100.1" : "2001:db8:1::1"
                let (name, seconds) = try failure(guest.run(["python3", Self.talk, "call", address, "7000"]))
                #expect(name == "EHOSTUNREACH" || name == "ENETUNREACH")
                // Linux believes such a report at its second attempt only, and so may the host's socket.
                #expect(seconds < 3)
            }
        }

        @Test("into a black hole time out", arguments: Family.allCases)
        func timeOut(family: Family) throws {
            try TestBed.use { bed in
                let router = try bed.makeRouter()
                try bed.configure(router, ["route", "add", "blackhole", "198.51.100.0/24"])
                try bed.configure(router, ["-6", "route", "add", "blackhole", "2001:db8:1::/48"])
                let guest = try Guest(bed, shards: 1)
                // One repetition: three seconds in place of two minutes.
                try guest.set("net.ipv4.tcp_syn_retries", "1")
                let address = family == .ipv4 ? "198.51.100.1" : "2001:db8:1::1"
                let (name, seconds) = try failure(guest.run(["python3", Self.talk, "call", address, "7000"]))
                #expect(name == "ETIMEDOUT")
                #expect(seconds > 2)
            }
        }

        @Test("to published ports are what a connection is, from its first octet to its end", arguments: shards)
        func areConnectionsToTheEnd(shards: Int) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: shards, ["--no-splice", "-p", "8000-8099:9000-9099"])
                for (index, name) in SpliceTests.cases.enumerated() {
                    let outcome = try bed.run([
                        "python3", SpliceTests.ends, Family.ipv4.loopback, "\(8000 + index)", "\(guest.command)",
                        "\(9000 + index)", name,
                    ])
                    #expect(outcome.output.hasPrefix("\(name) from \(Family.ipv4.host)"), "\(outcome.errors)")
                }
            }
        }

        @Test("that the guest has half closed still bring the whole answer", arguments: shards, Family.allCases)
        func bringAnswersAfterTheGuestsEnd(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let server = try bed.serve(Self.talk, ["listen", "7000", "read-all", "send:8000000", "close"])
                let guest = try Guest(bed, shards: shards)
                let client = try guest.run([
                    "python3", Self.talk, "call", family.host, "7000", "send:3000000", "shut", "read-all",
                ])
                #expect(try received(client) == 8_000_000)
                #expect(try received(server.waitForEnd()) == 3_000_000)
            }
        }

        @Test("that the host has half closed still take the whole request", arguments: shards, Family.allCases)
        func takeRequestsAfterTheHostsEnd(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let server = try bed.serve(Self.talk, ["listen", "7000", "send:3000000", "shut", "read-all"])
                let guest = try Guest(bed, shards: shards)
                let client = try guest.run([
                    "python3", Self.talk, "call", family.host, "7000", "read-all", "send:8000000", "close",
                ])
                #expect(try received(client) == 3_000_000)
                #expect(try received(server.waitForEnd()) == 8_000_000)
            }
        }

        @Test("that the host resets are reset in the guest", arguments: shards, Family.allCases)
        func areResetByTheHost(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Self.talk, ["listen", "7000", "read:1000", "reset"])
                let guest = try Guest(bed, shards: shards)
                let client = try guest.run([
                    "python3", Self.talk, "call", family.host, "7000", "send:1000", "read-all",
                ])
                #expect(client.output == "connected\nerror ECONNRESET\n")
            }
        }

        @Test("that the guest resets are reset on the host", arguments: shards, Family.allCases)
        func areResetByTheGuest(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let server = try bed.serve(Self.talk, ["listen", "7000", "send:1000", "read-all"])
                let guest = try Guest(bed, shards: shards)
                _ = try guest.run(["python3", Self.talk, "call", family.host, "7000", "read:1000", "reset"])
                    .requireSuccess()
                #expect(try server.waitForEnd().output.hasSuffix("error ECONNRESET\n"))
            }
        }

        @Test("lose nothing while their reader rests, on either side", arguments: shards)
        func loseNothingWhileReadersRest(shards: Int) throws {
            try TestBed.use { bed in
                let go = "\(bed.directory)/go"
                let hostReader = try bed.serve(
                    Self.talk, ["listen", "7001", "read:1000000", "await:\(go)", "read-all"])
                let hostWriter = try bed.serve(Self.talk, ["listen", "7002", "send:50000000", "close"])
                let guest = try Guest(bed, shards: shards)
                let guestWriter = try guest.start([
                    "python3", Self.talk, "call", Family.ipv4.host, "7001", "send:50000000", "close",
                ])
                let guestReader = try guest.start([
                    "python3", Self.talk, "call", Family.ipv4.host, "7002", "read:1000000", "await:\(go)", "read-all",
                ])
                try hostReader.waitForOutput("read 1000000")
                try guestReader.waitForOutput("read 1000000")
                // The windows are full when no octet moves any more.
                var moved: Int?
                try waitUntil("both flows to come to rest", within: .seconds(40)) {
                    let before = moved
                    moved = try guest.renewedStatistics()["octetsFromGuest"]
                    return moved == before
                }
                _ = try bed.runAnywhere(["touch", go]).requireSuccess()
                for reader in [hostReader, guestReader] {
                    #expect(try reader.waitForEnd().output.contains("read 49000000 "))
                }
                #expect(try guestWriter.waitForEnd().status == 0)
                #expect(try hostWriter.waitForEnd().status == 0)
            }
        }

        /// The name of the error with which a call ended, and how long it took.
        private func failure(_ outcome: Program.Outcome) throws -> (name: String, seconds: Double) {
            let words = try outcome.requireSuccess().split(whereSeparator: \.isWhitespace)
            guard words.count == 4, words[0] == "error", let seconds = Double(words[3]) else {
                throw TestFailure("the call did not fail: \(outcome.output)")
            }
            return (String(words[1]), seconds)
        }

        /// How many octets the end of a connection has read.
        private func received(_ outcome: Program.Outcome) throws -> Int? {
            let lines = try outcome.requireSuccess().split(separator: "\n")
            guard let line = lines.first(where: { $0.hasPrefix("read ") }) else { return nil }
            return Int(line.split(separator: " ")[1])
        }
    }
}
