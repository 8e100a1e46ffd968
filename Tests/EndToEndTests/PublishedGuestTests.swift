import Foundation
import Testing

extension EndToEnd {
    /// Published ports with guests that are attached and detached, that have unexpected addresses, and that do not
    /// answer.
    @Suite("Published ports and what their guests do")
    struct PublishedGuestTests {
        @Test("stay taken while guests come and go, after connections too", arguments: shards)
        func stayTaken(shards: Int) throws {
            try TestBed.use { bed in
                let link = "qemu:\(bed.directory)/q"
                let service = try Service(
                    bed, ["--shards", "\(shards)", "--listen", link, "-p", "8001:80", "-p", "8001:53/udp"])
                let end = bed.directory + "/end"
                let thief = try bed.start(["python3", Machine.program("ports.py"), "thief", "8001", end])
                try thief.waitForOutput("trying")
                let machine = try VirtualMachine(bed, "machine")
                func fetch() throws -> Int32 {
                    try bed.run(["curl", "-sf", "--max-time", "5", "-o", "/dev/null", "http://127.0.0.1:8001/"]).status
                }
                func ask(_ tries: Int) throws -> String {
                    try bed.run(["python3", Machine.program("ports.py"), "ask", "127.0.0.1", "8001", "\(tries)"]).output
                }
                for round in 0..<2 {
                    // Refused by the kernel, for both protocols.
                    #expect(try fetch() == 7)
                    #expect(try ask(1) == "ECONNREFUSED\n")
                    try machine.plug(link, "52:54:00:00:06:01")
                    try machine.configure()
                    if round == 0 {
                        _ = try bed.serve(
                            Machine.program("datagrams.py"), ["0.0.0.0", "53"], in: machine.namespace)
                    }
                    let server = try bed.start(
                        ["python3", "-m", "http.server", "80", "--directory", bed.directory], in: machine.namespace)
                    try bed.waitForListener(at: 80, in: machine.namespace)
                    for _ in 0..<3 { #expect(try fetch() == 0) }
                    #expect(try ask(1) == "192.168.127.254 1\n")
                    server.send(SIGKILL)
                    _ = try server.waitForEnd()
                    try machine.kill()
                    try waitUntil("the guest's end, in \(service.lines)") {
                        service.lines.components(separatedBy: "is gone").count == round + 2
                    }
                }
                #expect(try fetch() == 7)
                try Data().write(to: URL(fileURLWithPath: end))
                let words = try thief.waitForEnd().output.split(whereSeparator: \.isWhitespace)
                #expect(words.last == "0", "\(words)")
                #expect(words.count == 5 && Int(words[2]) ?? 0 > 1_000, "\(words)")
            }
        }

        @Test("connect IPv6 clients to a guest without IPv6", arguments: [[], ["--no-splice"]])
        func leadToOtherFamily(options: [String]) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 2, ["-p", "8080:80", "-p", "5300:53/udp"] + options)
                try guest.set("net.ipv6.conf.all.disable_ipv6", "1")
                _ = try guest.serve(Machine.flows, ["serve", "80", "--greet"])
                _ = try guest.serve(Machine.program("datagrams.py"), ["0.0.0.0", "53"])
                let report = try bed.run(["python3", Machine.flows, "greet", "::1", "8080"])
                #expect(report.output.contains("\"clients\": {\"\(Family.ipv4.host)\": 1}"), "\(report.output)")
                // The next client does not wait for the timeout again.
                let quick = try bed.run(["python3", Machine.program("ports.py"), "time", "::1", "8080"])
                let words = quick.output.split(whereSeparator: \.isWhitespace)
                #expect(words.first == "data" && Double(words.last ?? "9") ?? 9 < 1, "\(quick.output)")
                // A datagram gets no reply if there is no guest: one of the first is lost.
                let asked = try bed.run(["python3", Machine.program("ports.py"), "ask", "::1", "5300", "8"])
                #expect(asked.output.hasSuffix("\(Family.ipv4.host) 1\n"), "\(asked.output)")
            }
        }

        @Test("connect to the IPv6 address that a guest has chosen", arguments: shards)
        func leadToChosenAddress(shards: Int) throws {
            try TestBed.use { bed in
                let link = "qemu:\(bed.directory)/q"
                let service = try Service(
                    bed, ["--shards", "\(shards)", "--listen", link, "-p", "8001:80", "-p", "5300:53/udp"])
                let machine = try VirtualMachine(bed, "machine")
                try bed.set("net.ipv6.conf.default.accept_dad", "1", in: machine.namespace)
                // No SLAAC address, as with stable-privacy ones.
                try bed.set("net.ipv6.conf.default.addr_gen_mode", "1", in: machine.namespace)
                try bed.set("net.ipv6.conf.default.autoconf", "0", in: machine.namespace)
                try machine.plug(link, "52:54:00:00:06:01")
                try machine.configure()
                try bed.configure(machine.namespace, ["addr", "add", "fd00:1:2:3::1234:5678/64", "dev", "eth0"])
                _ = try bed.serve(Machine.flows, ["serve", "80", "--greet"], in: machine.namespace)
                _ = try bed.serve(Machine.program("datagrams.py"), ["::", "53"], in: machine.namespace)
                try waitUntil("the address") {
                    try !bed.runAnywhere(["ip", "-n", machine.namespace, "-6", "addr"]).output.contains("tentative")
                }
                let report = try bed.run(["python3", Machine.flows, "greet", "::1", "8001"])
                #expect(report.output.contains("\"clients\": {\"\(Family.ipv6.host)\": 1}"), "\(report.output)")
                let asked = try bed.run(["python3", Machine.program("ports.py"), "ask", "::1", "5300", "3"])
                #expect(asked.output.contains("\(Family.ipv6.host) 1\n"), "\(asked.output)")
                #expect(service.program.isRunning)
            }
        }

        @Test func `reset a client after a few seconds when the guest does not answer`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["-p", "8080:80"])
                _ = try guest.run(["nft", "add", "table", "inet", "wall"]).requireSuccess()
                _ = try guest.run(
                    ["nft", "add chain inet wall input { type filter hook input priority 0; policy drop; }"]
                ).requireSuccess()
                let clients = try Family.allCases.map { family in
                    try bed.start(["python3", Machine.program("ports.py"), "time", family.loopback, "8080"])
                }
                for client in clients {
                    let words = try client.waitForEnd(within: .seconds(30)).output.split(whereSeparator: \.isWhitespace)
                    #expect(words.first == "ECONNRESET", "\(words)")
                    let seconds = Double(words.last ?? "") ?? 0
                    #expect(seconds > 2 && seconds < 15, "\(words)")
                }
                #expect(guest.bridge.isRunning)
            }
        }

        @Test func `that a service manager listens at reset their clients while no guest is there`() throws {
            try TestBed.use { bed in
                let link = "qemu:\(bed.directory)/q"
                let manager = try bed.start(
                    [
                        "python3", Machine.program("manager.py"), "8001", "publish", Machine.ringway, "serve",
                        "--listen",
                        link, "--no-control", "-p", "8001:80",
                    ] + Machine.reactorOptions)
                try manager.waitForOutput("READY=1")
                func end() throws -> String {
                    let outcome = try bed.run(["python3", Machine.program("ports.py"), "time", "::1", "8001"])
                    return String(outcome.output.prefix { $0 != " " })
                }
                // A client may be reset during its connect, or when it reads.
                #expect(try ["ECONNRESET", "ECONNREFUSED"].contains(end()))
                let machine = try VirtualMachine(bed, "machine")
                for _ in 0..<2 {
                    try machine.plug(link, "52:54:00:00:06:01")
                    try machine.configure()
                    let server = try bed.serve(Machine.flows, ["serve", "80", "--greet"], in: machine.namespace)
                    // The first one may still be reset.
                    try waitUntil("a served client", within: .seconds(10)) { try end() == "data" }
                    #expect(try end() == "data")
                    server.send(SIGKILL)
                    _ = try server.waitForEnd()
                    try machine.kill()
                    try waitUntil("a reset client", within: .seconds(20)) { try end() == "ECONNRESET" }
                }
                manager.send(SIGTERM)
                #expect(try manager.waitForEnd(within: .seconds(10)).status == 0)
            }
        }

        @Test func `that failed are tried again, and their holders named`() throws {
            try TestBed.use { bed in
                let configuration = bed.directory + "/serve.yaml"
                func write(_ text: String) throws {
                    try "listen: qemu:\(bed.directory)/q\n\(text)"
                        .write(toFile: configuration, atomically: true, encoding: .utf8)
                }
                try write("publish: [8001:80]\n")
                let service = try Service(bed, ["--config", configuration])
                let holder = try bed.serve(Machine.program("talk.py"), ["listen", "8002"])
                try write("publish: [8001:80, 8002:80]\n")
                try service.waitForLine(
                    "8002:80/tcp is not published, which is tried again: cannot publish 0.0.0.0:8002 and [::]:8002/tcp: "
                        + "the port is in use, held by process \(holder.identifier) (python3)")
                // A socket that waits for its guest is not listed in /proc/net.
                let other = try bed.ringway(["run", "-p", "8001:80", "--", "true"])
                #expect(
                    other.errors.contains("held by process \(service.program.identifier) (ringway)"), "\(other.errors)")
                holder.send(SIGKILL)
                _ = try holder.waitForEnd()
                try service.waitForLine("8002:80/tcp is published after all")
                let stranger = try bed.run([
                    "python3", "-c", "import socket; socket.create_server(('0.0.0.0', 8002))",
                ])
                #expect(stranger.errors.contains("Address already in use"))
            }
        }
    }
}
