import Testing

extension EndToEnd {
    @Suite("Bounds")
    struct BoundsTests {
        /// Gauges, which may fall.
        static let gauges = [
            "tcpFlows", "tcpHalfOpen", "udpMappings", "pingMappings", "hostSockets", "tcpParkedOctets",
        ]

        @Test("leave the flows that exist alone when descriptors run out", arguments: shards)
        func leaveOtherFlowsAlone(shards: Int) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.flows, ["serve", "7000"])
                let guest = try Guest(bed, shards: shards, launcher: ["prlimit", "--nofile=100:100"])
                let client = try guest.run([
                    "python3", Machine.program("exhaust.py"), Family.ipv4.host, "7000", "300",
                ])
                let lines = try client.requireSuccess().split(separator: "\n")
                #expect(lines.first == "before ok")
                let opened = try #require(Int(lines[1].dropFirst("opened ".count)))
                #expect(opened > 20 && opened < 100)
                #expect(lines.dropFirst(2) == ["during ok", "after ok ok"])
                // A new flow is refused, or takes the descriptor of a connect that has no answer yet.
                let counters = try guest.renewedStatistics()
                #expect(
                    counters["descriptorsExhausted", default: 0] + counters["tcpHalfOpenEvicted", default: 0] > 0)
            }
        }

        @Test("let new connects through at once while older ones wait in vain", arguments: shards)
        func letNewConnectsThrough(shards: Int) throws {
            try TestBed.use { bed in
                let router = try bed.makeRouter()
                try bed.configure(router, ["route", "add", "blackhole", "198.51.100.0/24"])
                _ = try bed.serve(ConnectionTests.talk, ["listen", "7000", "read-all"])
                let guest = try Guest(bed, shards: shards, ["--max-half-open", "64"])
                // While the guest does not know its router's MAC address, its kernel keeps only some of the segments.
                _ = try guest.run(["ping", "-c", "1", Family.ipv4.gateway]).requireSuccess()
                let client = try guest.run([
                    "python3", Machine.program("scan.py"), "198.51.100.1", "300", Family.ipv4.host, "7000",
                ])
                let seconds = try #require(Double(client.requireSuccess().split(separator: "\n")[0]))
                // The guest's own second attempt would come after a second.
                #expect(seconds < 0.9)
                #expect(try guest.renewedStatistics()["tcpHalfOpenEvicted", default: 0] >= 236)
            }
        }

        @Test func `serve or refuse guests when hardly a descriptor is left, and keep the others`() throws {
            try TestBed.use { bed in
                let service = try Service(bed, ["--listen", "qemu:\(bed.directory)/q"])
                let machine = try VirtualMachine(bed, "first")
                try machine.plug("qemu:\(bed.directory)/q", "52:54:00:00:00:01")
                try machine.configure()
                let shortage = try bed.run(
                    [
                        "python3", Machine.program("shortage.py"), "\(service.program.identifier)",
                        "\(bed.directory)/q",
                    ])
                let outcome = try shortage.requireSuccess()
                #expect(outcome.hasSuffix("the last had\n"), "\(outcome)")
                #expect(try machine.reaches("192.168.127.1"))
                #expect(try service.end().status == 0)
            }
        }

        @Test func `find a table of descriptors that need not grow`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, launcher: ["prlimit", "--nofile=1024:8192"])
                #expect(try guest.descriptorPlaces() == 8_192)
            }
        }

        /// Buffers provided to the kernel by one shard: 32 for its link and up to 512 for its sockets.
        static let standingBuffers = 544

        @Test("see every flow, lease and descriptor come back after churn", arguments: shards)
        func seeEverythingComeBack(shards: Int) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.flows, ["serve", "7000-7001"])
                let guest = try Guest(bed, shards: shards, ["-p", "7500:7500", "--no-splice"])
                _ = try guest.serve(Machine.flows, ["serve", "7500"])
                let before = try guest.descriptors()
                for arguments in [["cycle", "7000-7001", "2000"], ["hold", "7000-7001", "400"]] {
                    let report = try guest.run([
                        "python3", Machine.flows, arguments[0], Family.ipv4.host, arguments[1], arguments[2],
                    ])
                    #expect(report.status == 0, "\(report.output)")
                }
                let report = try bed.run(["python3", Machine.flows, "hold", "127.0.0.1", "7500", "300"])
                #expect(report.status == 0, "\(report.output)")
                let statistics = try atRest(guest, after: 2700)
                #expect(statistics["buffersLeased", default: .max] <= Self.standingBuffers * shards)
                try waitUntil("the closing of every descriptor") { try guest.descriptors() <= before }
            }
        }

        /// The counters after the end of all flows, of which there must have been `flows`.
        private func atRest(_ guest: Guest, after flows: Int) throws -> [String: Int] {
            var last: [String: Int] = [:]
            do {
                try waitUntil("the end of all flows", within: .seconds(30)) {
                    last = try guest.renewedStatistics()
                    return last["tcpOpenedByGuest", default: 0] + last["tcpOpenedByHost", default: 0] >= flows
                        && Self.gauges.allSatisfy { last[$0] == 0 }
                }
            } catch {
                throw TestFailure("\(error): \(last.filter { Self.gauges.contains($0.key) && $0.value != 0 })")
            }
            return last
        }
    }
}
