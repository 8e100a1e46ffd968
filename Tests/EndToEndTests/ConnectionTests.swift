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

        @Test("to published ports are what a connection is, from its first byte to its end", arguments: shards)
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
                // The windows are full when no byte moves any more.
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

        @Test(
            "carry the class of their packets both ways, and privileged ports where that is wanted", arguments: shards)
        func carryTheirWay(shards: Int) throws {
            try TestBed.use { bed in
                let server = try bed.serve(Self.way, ["serve", "7000", "4"])
                let guest = try Guest(
                    bed, shards: shards, ["--privileged-source-ports", "--no-splice", "-p", "7500:7500"])
                let inside = try guest.serve(Self.way, ["serve", "7500", "2"])
                let call = ["python3", Self.way, "call", Family.ipv4.host, "7000"]
                _ = try guest.run(call + ["900", "184"]).requireSuccess()
                _ = try guest.run(call + ["0", "0"]).requireSuccess()
                // A port that the host has a use for, and the same one again in another family.
                _ = try bed.start(["python3", "-c", Self.holdPort]).waitForOutput("held")
                _ = try guest.run(call + ["901", "72"]).requireSuccess()
                _ = try guest.run(["python3", Self.way, "call", Family.ipv6.host, "7000", "902", "72"])
                    .requireSuccess()
                let lines = try server.waitForEnd().requireSuccess().split(separator: "\n").dropFirst()
                let ports = lines.compactMap { Int($0.split(separator: " ")[1]) }
                #expect(lines.map { $0.split(separator: " ").last ?? "" } == ["184", "0", "72", "72"])
                #expect(ports.count == 4 && ports[0] == 900 && ports[3] == 902)
                #expect(ports[1] > 1_023 && ports[2] > 1_023)
                #expect(try guest.renewedStatistics()["tcpSourcePortsNotKept"] == 1)
                // The other way about: what a client of a published port says of its packets.
                _ = try bed.run(["python3", Self.way, "call", "127.0.0.1", "7500", "0", "136"]).requireSuccess()
                _ = try bed.run(["python3", Self.way, "call", "::1", "7500", "0", "136"]).requireSuccess()
                let seen = try inside.waitForEnd().requireSuccess().split(separator: "\n").dropFirst()
                #expect(seen.map { $0.split(separator: " ").last ?? "" } == ["136", "136"])
            }
        }

        static let way = Machine.program("way.py")
        private static let holdPort = """
            import socket, time
            server = socket.create_server(("127.0.0.1", 901))
            print("held", flush=True)
            time.sleep(60)
            """

        @Test("end in the guest when the far end dies without a word", arguments: shards, Family.allCases)
        func noticeSilence(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let router = try bed.makeRouter()
                let far = family == .ipv4 ? "10.77.2.2" : "fd77:2::2"
                let silence = Machine.program("silence.py")
                _ = try bed.serve(silence, ["serve", "7000"], in: "\(TestBed.name)-far")
                _ = try bed.serve(silence, ["serve", "7000"])
                // A first packet that waits for a neighbour's address makes a kernel's timeout seconds long.
                _ = try bed.run(["ping", "-c", "1", "-W", "5", far]).requireSuccess()
                let guest = try Guest(bed, shards: shards)
                let go = "\(bed.directory)/go"
                let clients = try [(far, "keepalive"), (far, "timeout"), (family.host, "patient")].map { host, how in
                    try guest.start(["python3", silence, "call", host, "7000", how, go])
                }
                for client in clients { try client.waitForOutput("ready") }
                _ = try bed.run(
                    [
                        "nft",
                        "add table inet t; add chain inet t f { type filter hook forward priority 0; policy drop; }",
                    ],
                    in: router
                ).requireSuccess()
                _ = try bed.runAnywhere(["touch", go]).requireSuccess()
                // The kernel alone needs three seconds for either.
                for client in clients.prefix(2) {
                    let words =
                        try client.waitForEnd(within: .seconds(30)).requireSuccess()
                        .split(separator: "\n").last?.split(separator: " ") ?? []
                    #expect(words.first == "ETIMEDOUT")
                    #expect(words.last.flatMap { Double($0) }.map { $0 < 6.5 } == true, "\(words)")
                }
                #expect(try clients[2].waitForEnd().output.hasSuffix("alive\n"))
            }
        }

        @Test("keep urgent bytes where they are, and urgent", arguments: shards)
        func keepUrgentBytes(shards: Int) throws {
            try TestBed.use { bed in
                let urgent = Machine.program("urgent.py")
                let guest = try Guest(bed, shards: shards)
                let reader = try bed.serve(urgent, ["serve", "7000", "read"])
                _ = try guest.run(["python3", urgent, "call", Family.ipv4.host, "7000", "send"]).requireSuccess()
                #expect(try reader.waitForEnd().output == "listening\nurgent !\ndata abcdef\n")
                _ = try bed.serve(urgent, ["serve", "7001", "send"])
                let inside = try guest.run(["python3", urgent, "call", Family.ipv4.host, "7001", "read-inline"])
                #expect(try inside.requireSuccess() == "data abc!def\n")
            }
        }

        @Test("reach what lies behind a smaller link inside the guest", arguments: shards, Family.allCases)
        func passSmallLinks(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Self.talk, ["listen", "7000", "send:3000000", "close"])
                let guest = try Guest(bed, shards: shards)
                let inner = try bed.makeNamespace("inner")
                try bed.connectInside(guest, inner, mtu: 1_300)
                let client = try bed.run(
                    ["python3", Self.talk, "call", family.host, "7000", "read-all"], in: inner,
                    within: .seconds(20))
                #expect(try received(client) == 3_000_000)
                #expect(try guest.renewedStatistics()["tcpSegmentSizeLowered"] == 1)
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

        /// How many bytes the end of a connection has read.
        private func received(_ outcome: Program.Outcome) throws -> Int? {
            let lines = try outcome.requireSuccess().split(separator: "\n")
            guard let line = lines.first(where: { $0.hasPrefix("read ") }) else { return nil }
            return Int(line.split(separator: " ")[1])
        }
    }
}
