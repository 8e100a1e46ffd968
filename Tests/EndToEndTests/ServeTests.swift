import Foundation
import Testing

extension EndToEnd {
    @Suite("ringway serve")
    struct ServeTests {
        /// A file of random bytes, and its name.
        private static func makeFile(_ bed: TestBed, byteCount: Int) throws -> String {
            let path = bed.directory + "/noise"
            let source = try FileHandle(forReadingFrom: URL(fileURLWithPath: "/dev/urandom"))
            try (source.read(upToCount: byteCount) ?? Data()).write(to: URL(fileURLWithPath: path))
            return path
        }

        private static func serveFiles(_ bed: TestBed, in namespace: String? = nil, port: Int) throws {
            _ = try bed.start(
                ["python3", "-m", "http.server", "--directory", bed.directory, "\(port)"], in: namespace)
            try bed.waitForListener(at: port, in: namespace)
        }

        @Test func `gives every kind of link a network`() throws {
            try TestBed.use { bed in
                let sockets = bed.directory + "/"
                let service = try Service(
                    bed,
                    [
                        "--listen", "qemu:\(sockets)q", "--listen", "vpnkit:\(sockets)v", "--listen",
                        "qemu-dgram:\(sockets)d", "--listen", "tap:ringtap0",
                    ])
                let file = try Self.makeFile(bed, byteCount: 4 << 20)
                try Self.serveFiles(bed, port: 8000)
                for (index, link) in ["qemu:\(sockets)q", "vpnkit:\(sockets)v", "qemu-dgram:\(sockets)d"].enumerated() {
                    let machine = try VirtualMachine(bed, "machine\(index)")
                    try machine.plug(link, "52:54:00:00:01:0\(index)", local: "\(sockets)local")
                    try machine.configure()
                    let copy = bed.directory + "/copy"
                    _ = try machine.run([
                        "curl", "-sSf", "-o", copy, "http://192.168.127.254:8000/noise",
                    ]).requireSuccess()
                    #expect(FileManager.default.contentsEqual(atPath: file, andPath: copy), "\(link)")
                    let names = try machine.run(["dig", "+short", "@192.168.127.1", "host.ringway.internal"])
                    #expect(names.output == "192.168.127.254\n", "\(link)")
                }
                let namespace = try bed.makeNamespace("tap")
                try bed.configure(bed.host, ["link", "set", "ringtap0", "netns", namespace])
                try bed.configure(namespace, ["link", "set", "ringtap0", "name", "eth0"])
                try bed.configure(namespace, ["link", "set", "eth0", "up"])
                try bed.configure(namespace, ["addr", "add", "192.168.127.2/24", "dev", "eth0"])
                #expect(try bed.run(["ping", "-c", "1", "192.168.127.1"], in: namespace).status == 0)
                #expect(try service.end().status == 0)
            }
        }

        @Test func `loses one guest of three, and has it back with its lease`() throws {
            try TestBed.use { bed in
                let link = "qemu:\(bed.directory)/q"
                let service = try Service(bed, ["--listen", link])
                let file = try Self.makeFile(bed, byteCount: 64 << 20)
                try Self.serveFiles(bed, port: 8000)
                var machines: [VirtualMachine] = []
                for index in 1...3 {
                    let machine = try VirtualMachine(bed, "machine\(index)")
                    try machine.plug(link, "52:54:00:00:02:0\(index)")
                    try machine.configure()
                    machines.append(machine)
                }
                let transfers = try machines.enumerated().map { index, machine in
                    try machine.start([
                        "curl", "-sSf", "--limit-rate", index == 2 ? "2M" : "32M", "-o",
                        "\(bed.directory)/copy\(index)", "http://192.168.127.254:8000/noise",
                    ])
                }
                try waitUntil("some of the third transfer") {
                    let size = try? FileManager.default.attributesOfItem(atPath: "\(bed.directory)/copy2")[.size]
                    return (size as? Int ?? 0) > 1 << 20
                }
                let address = machines[2].address
                try machines[2].kill()
                try service.waitForLine("(52:54:00:00:02:03, \(address)) on \(link) is gone")
                for (index, transfer) in transfers.prefix(2).enumerated() {
                    _ = try transfer.waitForEnd(within: .seconds(60)).requireSuccess()
                    #expect(
                        FileManager.default.contentsEqual(atPath: file, andPath: "\(bed.directory)/copy\(index)"))
                }
                try waitUntil("the end of what the machine had open on the host") {
                    try bed.run(["ss", "-Htn", "state", "established"]).requireSuccess().isEmpty
                }
                transfers[2].end()
                try machines[2].plug(link, "52:54:00:00:02:03")
                try machines[2].configure()
                #expect(machines[2].address == address)
                #expect(try machines[2].reaches(machines[0].address))
                #expect(service.program.isRunning)
            }
        }

        @Test func `connects guests to each other by name`() throws {
            try TestBed.use { bed in
                let configuration = bed.directory + "/serve.yaml"
                try """
                listen: qemu:\(bed.directory)/q
                leases:
                  - {mac: "52:54:00:00:03:01", name: store}
                """.write(toFile: configuration, atomically: true, encoding: .utf8)
                let service = try Service(bed, ["--config", configuration])
                let file = try Self.makeFile(bed, byteCount: 64 << 20)
                let (store, client) = (try VirtualMachine(bed, "store"), try VirtualMachine(bed, "client"))
                for (machine, mac) in [(store, "52:54:00:00:03:01"), (client, "52:54:00:00:03:02")] {
                    try machine.plug("qemu:\(bed.directory)/q", mac)
                    try machine.configure()
                }
                try Self.serveFiles(bed, in: store.namespace, port: 80)
                for type in ["A", "AAAA"] {
                    // An IPv6 address is assigned as soon as the client solicits a router.
                    var address: [String] = []
                    try waitUntil("the \(type) record") {
                        let found = try client.run(["dig", "+short", "@192.168.127.1", "store.ringway.internal", type])
                        address = found.output.split(separator: "\n").map(String.init)
                        return !address.isEmpty
                    }
                    try #require(address.count == 1)
                    try waitUntil("an answer from \(address[0])") { try client.reaches(address[0]) }
                }
                let copy = bed.directory + "/copy"
                _ = try client.run(["curl", "-sSf", "-o", copy, "http://\(store.address)/noise"]).requireSuccess()
                #expect(FileManager.default.contentsEqual(atPath: file, andPath: copy))
                try service.waitForCounters("frames between guests") { $0["framesFromNeighbors", default: 0] > 10_000 }
            }
        }

        @Test func `keeps isolated guests apart`() throws {
            try TestBed.use { bed in
                let link = "qemu:\(bed.directory)/q"
                let service = try Service(bed, ["--listen", link, "--isolate"])
                let machines = try (1...2).map { try VirtualMachine(bed, "machine\($0)") }
                for (index, machine) in machines.enumerated() {
                    try machine.plug(link, "52:54:00:00:04:0\(index)")
                    try machine.configure()
                    #expect(try machine.reaches("192.168.127.1"))
                }
                #expect(try !machines[0].reaches(machines[1].address))
                // Also not by a neighbour's ethernet address, however that was learned.
                try bed.configure(
                    machines[0].namespace,
                    ["neigh", "replace", machines[1].address, "lladdr", "52:54:00:00:04:01", "dev", "eth0"])
                #expect(try !machines[0].reaches(machines[1].address))
                try service.waitForCounters("the frame for the neighbour") { $0["neighborsUnknown", default: 0] > 0 }
                #expect(try service.end().status == 0)
            }
        }

        @Test func `drops and counts what comes from another's address`() throws {
            try TestBed.use { bed in
                let link = "qemu:\(bed.directory)/q"
                let service = try Service(bed, ["--listen", link])
                let (liar, victim) = (try VirtualMachine(bed, "liar"), try VirtualMachine(bed, "victim"))
                for (machine, mac) in [(liar, "52:54:00:00:05:01"), (victim, "52:54:00:00:05:02")] {
                    try machine.plug(link, mac)
                    try machine.configure()
                    #expect(try machine.reaches("192.168.127.1"))
                }
                try bed.configure(liar.namespace, ["addr", "add", "192.168.127.77/32", "dev", "eth0"])
                for target in ["192.168.127.1", victim.address] {
                    let ping = try liar.run(["ping", "-c", "2", "-W", "1", "-I", "192.168.127.77", target])
                    #expect(ping.status != 0, "\(target)")
                }
                try service.waitForCounters(of: "guest-2", "the counter of addresses") {
                    $0["droppedSpoofedSource", default: 0] >= 2
                }
                try bed.configure(liar.namespace, ["link", "set", "eth0", "address", "52:54:00:00:05:02"])
                #expect(try !liar.reaches("192.168.127.1"))
                try service.waitForCounters(of: "guest-2", "the counter of ethernet addresses") {
                    $0["droppedSpoofedMAC", default: 0] > 0
                }
                #expect(try victim.reaches("192.168.127.1"))
            }
        }

        @Test func `publishes ports of guests that come and go`() throws {
            try TestBed.use { bed in
                let link = "qemu:\(bed.directory)/q"
                let service = try Service(
                    bed, ["--listen", link, "-p", "8001:80", "-p", "192.168.127.3=8002:80", "-p", "8003:90"])
                func fetch(_ port: Int) throws -> Int32 {
                    try bed.run(["curl", "-sSf", "--max-time", "5", "-o", "/dev/null", "http://127.0.0.1:\(port)/"])
                        .status
                }
                // The guest is not attached yet: clients are refused, and the port is held.
                #expect(try fetch(8001) == 7)
                let taken = try bed.run(["python3", "-c", "import socket; socket.socket().bind(('0.0.0.0', 8001))"])
                #expect(taken.errors.contains("Address already in use"))
                let machines = try (1...2).map { try VirtualMachine(bed, "machine\($0)") }
                for (index, machine) in machines.enumerated() {
                    try machine.plug(link, "52:54:00:00:06:0\(index)")
                    try machine.configure()
                    try Self.serveFiles(bed, in: machine.namespace, port: 80)
                }
                #expect(try fetch(8001) == 0)
                #expect(try fetch(8002) == 0)
                try machines[1].kill()
                try service.waitForLine("192.168.127.3) on \(link) is gone")
                #expect(try fetch(8001) == 0)
                #expect(try fetch(8002) == 7)
                try machines[1].plug(link, "52:54:00:00:06:01")
                try machines[1].configure()
                #expect(try fetch(8002) == 0)
            }
        }

        @Test func `reads its file again without affecting open connections`() throws {
            try TestBed.use { bed in
                let configuration = bed.directory + "/serve.yaml"
                func write(_ text: String) throws {
                    try "listen: qemu:\(bed.directory)/q\n\(text)"
                        .write(toFile: configuration, atomically: true, encoding: .utf8)
                }
                try write("publish: [8001:80]\n")
                let service = try Service(bed, ["--config", configuration])
                let machine = try VirtualMachine(bed, "machine")
                try machine.plug("qemu:\(bed.directory)/q", "52:54:00:00:07:01")
                try machine.configure()
                _ = try Self.makeFile(bed, byteCount: 8 << 20)
                try Self.serveFiles(bed, in: machine.namespace, port: 80)
                let transfer = try bed.start([
                    "curl", "-sSf", "--limit-rate", "2M", "-o", "\(bed.directory)/copy", "http://127.0.0.1:8001/noise",
                ])
                try waitUntil("some of the transfer") {
                    let size = try? FileManager.default.attributesOfItem(atPath: "\(bed.directory)/copy")[.size]
                    return (size as? Int ?? 0) > 1 << 20
                }
                try write("publish: [8002:80]\nmtu: 1400\n")
                try service.waitForLine("8001:80/tcp is no longer published")
                try service.waitForLine("8002:80/tcp is published")
                try service.waitForLine("mtu has changed: that needs a restart")
                try write("publish: [8002:http]\n")
                try service.waitForLine("serve.yaml: line 2: publish.1: invalid value \"8002:http\"")
                _ = try transfer.waitForEnd().requireSuccess()
                let refused = try bed.run(["curl", "-sS", "http://127.0.0.1:8001/"])
                #expect(refused.status == 7)
                _ = try bed.run(["curl", "-sSf", "-o", "/dev/null", "http://127.0.0.1:8002/"]).requireSuccess()
                try write("publish: [8002:80]\nmtu: 1400\n")
                service.program.send(SIGHUP)
                #expect(try service.end().status == 0)
            }
        }

        @Test func `adds no second network where an option is for a single one`() throws {
            try TestBed.use { bed in
                let configuration = bed.directory + "/serve.yaml"
                func write(_ names: String...) throws {
                    let networks = names.map { "  \($0): {listen: [\"qemu:\(bed.directory)/\($0)\"]}\n" }
                    try "networks:\n\(networks.joined())"
                        .write(toFile: configuration, atomically: true, encoding: .utf8)
                }
                try write("blue")
                let service = try Service(bed, ["--config", configuration, "--control", "\(bed.directory)/control"])
                try write("blue", "red")
                try service.waitForLine("network red: --control is for a single network")
                #expect(FileManager.default.fileExists(atPath: "\(bed.directory)/blue"))
                #expect(!FileManager.default.fileExists(atPath: "\(bed.directory)/red"))
                #expect(try service.end().status == 0)
            }
        }

        @Test func `minds its sockets`() throws {
            try TestBed.use { bed in
                let path = bed.directory + "/q"
                let first = try Service(bed, ["--listen", "qemu:\(path)", "--socket-mode", "0660"])
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                #expect(mode == 0o660)
                let second = try bed.ringway(["serve", "--listen", "qemu:\(path)"])
                #expect(second.status == 1)
                #expect(second.errors == "ringway: cannot listen at \(path): another process does\n")
                first.program.send(SIGKILL)
                _ = try first.program.waitForEnd()
                #expect(FileManager.default.fileExists(atPath: path))
                let third = try Service(bed, ["--listen", "qemu:\(path)"])
                #expect(try third.end(SIGINT).status == 0)
                #expect(!FileManager.default.fileExists(atPath: path))
                try Data().write(to: URL(fileURLWithPath: path))
                let fourth = try bed.ringway(["serve", "--listen", "qemu:\(path)"])
                #expect(fourth.errors == "ringway: cannot listen at \(path): it exists and is no socket\n")
            }
        }

        @Test func `serves as a service manager has it`() throws {
            try TestBed.use { bed in
                let path = bed.directory + "/activated"
                let configuration = bed.directory + "/serve.json"
                try "{\"publish\": [\"8001:80\"]}".write(toFile: configuration, atomically: true, encoding: .utf8)
                let manager = try bed.start([
                    "python3", Machine.program("manager.py"), path, "vpnkit", Machine.ringway, "serve", "--config",
                    configuration,
                ])
                try manager.waitForOutput("READY=1")
                let machine = try VirtualMachine(bed, "machine")
                try machine.plug("vpnkit:\(path)", "52:54:00:00:08:01")
                try machine.configure()
                #expect(try machine.reaches("192.168.127.1"))
                manager.send(SIGHUP)
                try manager.waitForOutput("RELOADING=1")
                manager.send(SIGTERM)
                #expect(try manager.waitForEnd(within: .seconds(10)).status == 0)
                // The process that has created a socket removes it.
                #expect(FileManager.default.fileExists(atPath: path))
            }
        }

        @Test(
            "starts nothing when its file is wrong",
            arguments: [
                (
                    "mtu: 70000\n",
                    "serve.yaml: line 1: mtu: invalid value \"70000\": it must be a number from 1280 to 65520"
                ),
                ("listen: tap:x\nmtv: 1\n", "serve.yaml: line 2: unknown key \"mtv\"; did you mean \"mtu\"?"),
                ("listen: [tap:x\n", "serve.yaml: line 2, column 1: this is neither YAML nor JSON"),
                ("{}", "there is no link to listen on"),
            ])
        func refuseConfiguration(text: String, expected: String) throws {
            try TestBed.use { bed in
                let configuration = bed.directory + "/serve.yaml"
                try text.write(toFile: configuration, atomically: true, encoding: .utf8)
                let outcome = try bed.ringway(["serve", "--config", configuration])
                #expect(outcome.status == 2)
                #expect(outcome.errors.contains(expected), "\(outcome.errors)")
                #expect(outcome.errors.filter { $0 == "\n" }.count == 1)
            }
        }
    }
}
