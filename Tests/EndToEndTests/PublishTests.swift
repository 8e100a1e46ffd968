import Foundation
import Testing

extension EndToEnd {
    @Suite("Published ports")
    struct PublishTests {
        @Test("serve clients of both families, and the guest sees their addresses", arguments: shards)
        func serveClients(shards: Int) throws {
            try TestBed.use { bed in
                let client = try bed.makeNamespace("client")
                try bed.connect(bed.host, client, network: 3)
                let guest = try Guest(bed, shards: shards, ["-p", "8080:80", "-p", "9000-9099:9000-9099"])
                _ = try guest.serve(Machine.flows, ["serve", "80", "--greet"])
                _ = try guest.serve(Machine.flows, ["serve", "9000-9099", "--greet"])
                for (namespace, address, expected) in [
                    (client, "10.77.3.1", "10.77.3.2"), (client, "fd77:3::1", "fd77:3::2"),
                    (bed.host, Family.ipv4.loopback, Family.ipv4.host),
                    (bed.host, Family.ipv6.loopback, Family.ipv6.host),
                ] {
                    for ports in ["8080", "9000-9099"] {
                        let report = try bed.run(["python3", Machine.flows, "greet", address, ports], in: namespace)
                        let count = ports == "8080" ? 1 : 100
                        #expect(
                            report.output.contains("\"clients\": {\"\(expected)\": \(count)}"),
                            "\(address) port \(ports): \(report.output)")
                    }
                }
            }
        }

        @Test("answer UDP, large datagrams too", arguments: shards, Family.allCases)
        func answerDatagrams(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: shards, ["-p", "5300-5301:53-54/udp"])
                _ = try guest.serve(Machine.program("datagrams.py"), [family == .ipv4 ? "0.0.0.0" : "::", "53", "54"])
                for port in ["5300", "5301"] {
                    for size in [1, 1400, 60_000] {
                        let answer = try bed.run([
                            "python3", Machine.program("datagram.py"), family.loopback, port, "\(size)",
                        ])
                        #expect(answer.output == "\(family.host) \(size)\n")
                    }
                }
            }
        }

        @Test("move data on many connections at once", arguments: shards, Family.allCases)
        func moveData(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: shards, ["-p", "7000:7000", "--no-splice"])
                _ = try guest.serve(Machine.flows, ["serve", "7000"])
                let report = try bed.run(["python3", Machine.flows, "hold", family.loopback, "7000", "300"])
                #expect(report.status == 0, "\(report.output)")
            }
        }

        @Test func `at one address are not at another`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["-p", "127.0.0.1:8080:80"])
                _ = try guest.serve(Machine.flows, ["serve", "80", "--greet"])
                #expect(try bed.run(["python3", Machine.flows, "greet", "127.0.0.1", "8080"]).status == 0)
                let other = try bed.run(["python3", Machine.flows, "greet", "::1", "8080"])
                #expect(other.output.contains("ConnectionRefusedError"))
            }
        }

        @Test("reset the client when the guest has no listener", arguments: Family.allCases)
        func resetWithoutListener(family: Family) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["-p", "8080:80"])
                let client = try bed.run([
                    "python3", Machine.program("talk.py"), "call", family.loopback, "8080", "read-all",
                ])
                #expect(client.output.contains("ECONNRESET"))
                #expect(guest.bridge.isRunning)
            }
        }

        @Test("are free again as soon as ringway has ended", arguments: shards)
        func areFreedAtOnce(shards: Int) throws {
            try TestBed.use { bed in
                for _ in 0..<10 {
                    let outcome = try bed.ringway([
                        "run", "--shards", "\(shards)", "-p", "8080-8089:80-89", "-p", "8080:80/udp", "--", "true",
                    ])
                    #expect(outcome.status == 0, "\(outcome.errors)")
                }
            }
        }

        @Test func `of the host are chosen where none is given, and reported`() throws {
            try TestBed.use { bed in
                let holder = try bed.serve(Machine.program("talk.py"), ["listen", "8000"])
                let ready = bed.directory + "/ready"
                let publish = ["80", "127.0.0.1::81", "0:82", "8000-8009:83", "53/udp", "9000:84", "1000-1009"]
                let command =
                    ["exec", Machine.ringway, "run", "--ready-fd", "3"] + Machine.reactorOptions
                    + publish.flatMap { ["-p", $0] } + ["--", "true", "3>" + ready]
                let outcome = try bed.run(["sh", "-c", command.joined(separator: " ")])
                #expect(outcome.status == 0, "\(outcome.errors)")
                let lines = try String(contentsOfFile: ready, encoding: .utf8).split(separator: "\n").map(String.init)
                #expect(lines.count == 7 && lines[0] == "ready", "\(lines)")
                let forms = [
                    /port (\d+):80\/tcp/, /port 127.0.0.1:(\d+):81\/tcp/, /port (\d+):82\/tcp/,
                    /port (8001):83\/tcp/, /port (\d+):53\/udp/, /port (\d+)-\d+:1000-1009\/tcp/,
                ]
                let asked = ["80/tcp", "127.0.0.1::81/tcp", "82/tcp", "8000-8009:83/tcp", "53/udp", "1000-1009/tcp"]
                for (line, form) in zip(lines.dropFirst(), forms) {
                    let port = try #require(try form.wholeMatch(in: line)?.1, "\(line)")
                    #expect(Int(port) ?? 0 > 1_023)
                }
                let said = zip(lines.dropFirst(), asked).map { line, asked in
                    "ringway: \(asked) is published as \(line.dropFirst(5))\n"
                }
                #expect(outcome.errors == said.joined())
                #expect(holder.isRunning)
            }
        }

        @Test func `that are given twice are an error that blames the command line`() throws {
            try TestBed.use { bed in
                let outcome = try bed.ringway(["run", "-p", "8080:80", "-p", "127.0.0.1:8080:81", "--", "true"])
                #expect(outcome.status == 2)
                #expect(
                    outcome.errors.contains(
                        "port 8080 of the host cannot be published twice: 8080:80/tcp and 127.0.0.1:8080:81/tcp are both "
                            + "given"),
                    "\(outcome.errors)")
            }
        }

        @Test func `that are taken are an error that names the address, the port and the holder`() throws {
            try TestBed.use { bed in
                let holder = try bed.serve(Machine.program("talk.py"), ["listen", "8080"])
                let outcome = try bed.ringway(["run", "-p", "8080:80", "--", "true"])
                #expect(outcome.status == 125)
                #expect(
                    outcome.errors == "ringway: cannot publish 0.0.0.0:8080 and [::]:8080/tcp: the port is in use, "
                        + "held by process \(holder.identifier) (python3)\n")
                #expect(outcome.output.isEmpty)
            }
        }
    }
}
