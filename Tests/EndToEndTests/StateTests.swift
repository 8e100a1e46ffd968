import Foundation
import Testing

extension EndToEnd {
    @Suite("A restart of ringway serve")
    struct StateTests {
        /// A network of two machines that are identified by their ethernet addresses.
        private final class Lab {
            let bed: TestBed
            let machines: [VirtualMachine]
            private(set) var service: Service
            private let options: [String]

            init(_ bed: TestBed, _ options: [String]) throws {
                self.bed = bed
                self.options =
                    ["--listen", "qemu:\(bed.directory)/q", "--control", bed.directory + "/control"] + options
                service = try Service(bed, self.options)
                machines = try (0..<2).map { try VirtualMachine(bed, "machine\($0)") }
            }

            func plug(_ index: Int) throws {
                try machines[index].plug("qemu:\(bed.directory)/q", "52:54:00:00:09:0\(index)")
            }

            /// Kills the service, and starts its successor.
            func restart(_ signal: Int32 = SIGKILL) throws {
                if signal == SIGKILL { try service.kill() } else { _ = try service.end(signal) }
                for machine in machines { try machine.waitForUnplugging() }
                service = try Service(bed, options)
            }

            func ringway(_ words: String...) throws -> String {
                try bed.ringway(words + ["--control", bed.directory + "/control"]).requireSuccess()
            }
        }

        private static func prefix(_ lab: Lab) throws -> String {
            let names = try lab.machines[0].run(["dig", "+short", "AAAA", "@192.168.127.1", "host.ringway.internal"])
            return try names.requireSuccess()
        }

        @Test(
            "is no event for guests: addresses, names, prefix and ports are as before",
            arguments: [SIGKILL, SIGTERM])
        func restart(signal: Int32) throws {
            try TestBed.use { bed in
                let state = bed.directory + "/lab.json"
                let lab = try Lab(bed, ["--state", state])
                for index in 0..<2 {
                    try lab.plug(index)
                    try lab.machines[index].configure()
                }
                #expect(lab.machines.map(\.address) == ["192.168.127.2", "192.168.127.3"])
                let published = try lab.ringway("publish", "add", "guest-3=8080:80")
                let prefix = try Self.prefix(lab)
                try waitUntil("the port in \(state)") {
                    let text = try? String(contentsOfFile: state, encoding: .utf8)
                    return text?.contains("guest-3=8080:80/tcp") == true && text?.contains("52:54:00:00:09:01") == true
                }
                let attributes = try FileManager.default.attributesOfItem(atPath: state)
                #expect(attributes[.posixPermissions] as? Int == 0o600)
                try lab.restart(signal)
                try lab.service.waitForLine("\(state): 2 leases and 1 published ports of an earlier run are in force")
                // They return in another order, without asking for an address.
                for index in [1, 0] {
                    try lab.plug(index)
                    try lab.machines[index].configure(lab.machines[index].address)
                    #expect(try lab.machines[index].reaches("192.168.127.1"))
                }
                #expect(try lab.machines[0].reaches(lab.machines[1].address))
                #expect(try Self.prefix(lab) == prefix)
                #expect(published.contains("guest-3=8080:80/tcp"))
                _ = try lab.machines[1].start(["python3", Machine.flows, "serve", "80", "--greet"])
                try bed.waitForListener(at: 80, in: lab.machines[1].namespace)
                #expect(try bed.run(["python3", Machine.flows, "greet", "127.0.0.1", "8080"]).status == 0)
                let guests = try lab.ringway("guests")
                #expect(guests.contains("guest-2") && guests.contains("guest-3"), "\(guests)")
            }
        }

        @Test func `keeps the address that a guest uses, and reports guests that use another's`() throws {
            try TestBed.use { bed in
                let lab = try Lab(bed, ["--no-state"])
                for machine in lab.machines {
                    // So that the first frame is IPv4, as from a machine in the middle of its work.
                    try bed.set("net/ipv6/conf/default/disable_ipv6", "1", in: machine.namespace)
                }
                try lab.plug(0)
                try lab.machines[0].configure("192.168.127.9")
                #expect(try lab.machines[0].reaches("192.168.127.1"))
                try lab.service.waitForLine(
                    "192.168.127.9) on qemu:\(bed.directory)/q keeps the address that it uses")
                try lab.plug(1)
                try lab.machines[1].configure("192.168.127.9")
                #expect(try !lab.machines[1].reaches("192.168.127.1"))
                try lab.service.waitForLine(
                    "sends from 192.168.127.9 is dropped: it is that of guest-9 (52:54:00:00:09:00); renew the guest's "
                        + "DHCP lease")
                #expect(try lab.machines[0].reaches("192.168.127.1"))
            }
        }

        @Test func `puts a broken file aside and starts`() throws {
            try TestBed.use { bed in
                let state = bed.directory + "/lab.json"
                for text in ["{\"version\":1,", "{\"version\":99}", "\u{0}\u{1}"] {
                    try text.write(toFile: state, atomically: true, encoding: .utf8)
                    let lab = try Service(bed, ["--listen", "qemu:\(bed.directory)/q", "--state", state])
                    try lab.waitForLine("\(state) cannot be used: ")
                    try lab.waitForLine("it is \(state).broken now, and a new one begins")
                    #expect(try String(contentsOfFile: state + ".broken", encoding: .utf8) == text)
                    #expect(try String(contentsOfFile: state, encoding: .utf8).hasPrefix("{\"version\":1,\"network\""))
                    let second = try bed.ringway(["serve", "--listen", "qemu:\(bed.directory)/r", "--state", state])
                    #expect(second.status == 1)
                    #expect(second.errors.contains("cannot keep the state in \(state): another process has it"))
                    #expect(try lab.end().status == 0)
                }
            }
        }

        @Test func `finds the state of a network without a name by its links`() throws {
            try TestBed.use { bed in
                func serve(_ link: String) throws -> Service {
                    try Service(bed, ["--listen", "qemu:\(bed.directory)/\(link)", "--no-control"])
                }
                func links(_ file: String) throws -> Bool {
                    try String(contentsOfFile: "\(bed.directory)/ringway/\(file).json", encoding: .utf8)
                        .contains("\"links\":[\"qemu:\(bed.directory)/b\"]")
                }
                let first = try serve("a")
                let second = try serve("b")
                #expect(try !links("default") && links("default-2"))
                #expect(try first.end().status == 0)
                #expect(try second.end().status == 0)
                let third = try serve("b")
                #expect(try !links("default") && links("default-2"))
                #expect(!FileManager.default.fileExists(atPath: "\(bed.directory)/ringway/default-3.json"))
                #expect(try third.end().status == 0)
            }
        }

        @Test func `takes over the unix socket of a forward that a killed one has left, and removes it at the end`()
            throws
        {
            try TestBed.use { bed in
                let path = bed.directory + "/forward.sock"
                let pair = try AgentPair(bed, ["--forward", "unix:\(path)=tcp:127.0.0.1:7000"])
                _ = try pair.serve(Machine.flows, ["serve", "7000"])
                try waitUntil("the socket") { FileManager.default.fileExists(atPath: path) }
                try pair.restartService()
                try waitUntil("the agent's connection") {
                    pair.agent.errors.components(separatedBy: "connected").count > 2
                }
                let connects = "import socket; s = socket.socket(socket.AF_UNIX); s.connect('\(path)')"
                try waitUntil("the successor's socket") { try bed.run(["python3", "-c", connects]).status == 0 }
                pair.service.send(SIGTERM)
                #expect(try pair.service.waitForEnd().status == 0)
                #expect(!FileManager.default.fileExists(atPath: path))
                // A file that is not a socket, or that belongs to another process, is left alone.
                try "precious".write(toFile: path, atomically: true, encoding: .utf8)
                let refused = try bed.ringway([
                    "serve", "--listen", "qemu:\(bed.directory)/q", "--forward", "unix:\(path)=tcp:127.0.0.1:7000",
                ])
                #expect(
                    refused.status == 1 && refused.errors.contains("it exists and is no socket"), "\(refused.errors)")
                #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
            }
        }

        @Test func `chooses a network that is not the host's, and keeps it`() throws {
            try TestBed.use { bed in
                let other = try bed.makeNamespace("lan")
                try bed.connect(bed.host, other, network: 1)
                try bed.configure(bed.host, ["route", "add", "192.168.127.0/25", "dev", "cable1"])
                let notice = "192.168.127.0/24 is this host's 192.168.127.0/25 on cable1 too"
                let run = try bed.ringway(["run", "--", "ip", "-4", "-o", "addr", "show", "eth0"])
                #expect(run.output.contains("192.168.128.2/24"), "\(run.output)\(run.errors)")
                #expect(run.errors.contains("\(notice); guests get 192.168.128.0/24"), "\(run.errors)")
                let chosen = try bed.ringway(["run", "--network", "192.168.127.0/24", "--", "ip", "-4", "-o", "addr"])
                #expect(chosen.output.contains("192.168.127.2/24"))
                #expect(chosen.errors.contains("\(notice): guests cannot reach what is there"), "\(chosen.errors)")
                #expect(try bed.ringway(["doctor"]).output.contains(notice))
                let state = bed.directory + "/lab.json"
                for _ in 0..<2 {
                    let service = try Service(bed, ["--listen", "qemu:\(bed.directory)/q", "--state", state])
                    #expect(try service.end().status == 0)
                    #expect(try String(contentsOfFile: state, encoding: .utf8).contains("192.168.128.0/24"))
                    // The second run keeps its own network, whatever else is free.
                    _ = try bed.run(["ip", "route", "del", "192.168.127.0/25"])
                }
            }
        }
    }
}
