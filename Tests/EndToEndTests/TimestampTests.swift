import Testing

extension EndToEnd {
    /// RFC 7323 between a guest's kernel and the bridge.
    @Suite("Timestamps")
    struct TimestampTests {
        private static let talk = Machine.program("talk.py")
        private static let reuse = Machine.program("reuse.py")

        @Test("are used where the guest's kernel wants them, in both directions", arguments: Family.allCases)
        func areUsed(family: Family) throws {
            try TestBed.use { bed in
                let done = bed.directory + "/done"
                let server = try bed.serve(Self.talk, ["listen", "7000", "send:3000000", "await:\(done)"])
                let guest = try Guest(bed, shards: 1, ["--no-splice", "-p", "8000:9000"])
                let published = try guest.serve(Self.talk, ["listen", "9000", "read:3000000", "await:\(done)"])
                let client = try guest.start([
                    "python3", Self.talk, "call", family.host, "7000", "read:3000000", "await:\(done)",
                ])
                let visitor = try bed.start([
                    "python3", Self.talk, "call", family.loopback, "8000", "send:3000000", "await:\(done)",
                ])
                try client.waitForOutput("read 3000000")
                try published.waitForOutput("read 3000000")
                for port in [7000, 9000] {
                    let sockets = try guest.run([
                        "ss", "-Htino", "state", "established", "( sport = :\(port) or dport = :\(port) )",
                    ])
                    .requireSuccess()
                    #expect(sockets.contains(" ts "), "\(port): \(sockets)")
                    #expect(sockets.contains(" mss:1448 ") || sockets.contains(" mss:1428 "), "\(sockets)")
                }
                _ = try bed.runAnywhere(["touch", done]).requireSuccess()
                for program in [server, published, client, visitor] { #expect(try program.waitForEnd().status == 0) }
                let statistics = try guest.renewedStatistics()
                #expect(statistics["tcpTimestampsMissing", default: 0] == 0)
                #expect(statistics["tcpOldTimestamps", default: 0] == 0)
            }
        }

        @Test("are not used where the guest's kernel does without")
        func areNotUsed() throws {
            try TestBed.use { bed in
                let done = bed.directory + "/done"
                _ = try bed.serve(Self.talk, ["listen", "7000", "send:3000000", "await:\(done)"])
                let guest = try Guest(bed, shards: 1)
                try guest.set("net.ipv4.tcp_timestamps", "0")
                let client = try guest.start([
                    "python3", Self.talk, "call", Family.ipv4.host, "7000", "read:3000000", "await:\(done)",
                ])
                try client.waitForOutput("read 3000000")
                let sockets = try guest.run(["ss", "-Htino", "state", "established", "dport = :7000"]).requireSuccess()
                #expect(!sockets.contains(" ts "))
                #expect(sockets.contains(" mss:1460 "))
                _ = try bed.runAnywhere(["touch", done]).requireSuccess()
            }
        }

        @Test("let a guest's kernel use its ports anew that wait in TIME-WAIT", arguments: Family.allCases)
        func letPortsBeUsedAnew(family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Self.reuse, ["listen", "7000"])
                let guest = try Guest(bed, shards: 1)
                try guest.set("net.ipv4.ip_local_port_range", "40000 40009")
                try guest.set("net.ipv4.tcp_tw_reuse", "1")
                // Ten ports, each of them four times: a port is unavailable for a minute without timestamps, for a
                // second with.
                let outcome = try guest.run(["python3", Self.reuse, "call", family.host, "7000", "40", "20"])
                #expect(try outcome.requireSuccess().hasPrefix("made 40, "))
            }
        }
    }
}
