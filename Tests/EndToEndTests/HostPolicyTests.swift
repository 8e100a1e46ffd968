import Foundation
import Testing

extension EndToEnd {
    /// Options that keep guests from reaching the host itself.
    @Suite("Guests that are kept from the host")
    struct HostPolicyTests {
        private static let files = Machine.program("files.py")

        /// Whether a guest can fetch a file from a server.
        private func reaches(_ address: String, _ guest: Guest) throws -> Bool {
            let place = address.contains(":") ? "[\(address)]" : address
            return try guest.run([
                "curl", "-sS", "--max-time", "3", "-o", "/dev/null", "http://\(place):8080/10",
            ]).status == 0
        }

        /// A server at every address of the host, of either family.
        private func serve(_ bed: TestBed) throws {
            _ = try bed.serve(Self.files, ["8080"])
        }

        @Test("by its loopback's own addresses do not reach it under another", arguments: shards, Family.allCases)
        func areKeptFromLoopback(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.makeRouter()
                try serve(bed)
                let guest = try Guest(bed, shards: shards, ["--deny", "127.0.0.0/8", "--deny", "::1/128"])
                #expect(try !reaches(family.host, guest))
                #expect(try guest.run(["ping", "-c", "1", "-W", "2", family.host]).status != 0)
                #expect(try guest.renewedStatistics()["droppedPolicy", default: 0] > 0)
                // Other addresses are not the host's.
                #expect(try reaches(family == .ipv4 ? "10.77.1.1" : "fd77:1::1", guest))
            }
        }

        @Test("reach none of its addresses, those included that come later", arguments: shards, Family.allCases)
        func areKeptFromHost(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.makeRouter()
                try serve(bed)
                let machine = "\(TestBed.name)-far"
                _ = try bed.serve(Self.files, ["8080"], in: machine)
                let isIPv4 = family == .ipv4
                // Whole blocks may be the host's own, too.
                let block = isIPv4 ? "198.18.0.0/24" : "fd99::/64"
                try bed.configure(bed.host, [family.flag, "route", "add", "local", block, "dev", "lo"])
                let guest = try Guest(
                    bed, shards: shards, ["--no-host", "--allow", isIPv4 ? "10.77.0.0/16" : "fd77::/16"])
                let (own, far) = isIPv4 ? ("10.77.1.1", "10.77.2.2") : ("fd77:1::1", "fd77:2::2")
                for address in [own, family.host, isIPv4 ? "198.18.0.7" : "fd99::7"] {
                    #expect(try !reaches(address, guest), "\(address)")
                }
                #expect(try guest.run(["ping", "-c", "1", "-W", "2", own]).status != 0)
                #expect(try reaches(far, guest))
                #expect(try guest.run(["ping", "-c", "1", "-W", "5", far]).status == 0)

                // An address that moves from the machine behind the router to the host, and back.
                let moved = isIPv4 ? "10.77.2.99" : "fd77:2::99"
                let entry = isIPv4 ? [moved + "/32"] : [moved + "/128", "nodad"]
                try bed.configure(machine, ["addr", "add"] + entry + ["dev", "cable2"])
                #expect(try reaches(moved, guest))
                try bed.configure(machine, ["addr", "del", entry[0], "dev", "cable2"])
                try bed.configure(bed.host, ["addr", "add"] + entry + ["dev", "lo"])
                try waitUntil("the address to be refused") { try !reaches(moved, guest) }
                try bed.configure(bed.host, ["addr", "del", entry[0], "dev", "lo"])
                try bed.configure(machine, ["addr", "add"] + entry + ["dev", "cable2"])
                try waitUntil("the address to be reached again", within: .seconds(20)) { try reaches(moved, guest) }
            }
        }

        @Test("keep their published ports and the gateway's services", arguments: Family.allCases)
        func keepWhatIsTheirs(family: Family) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["--no-host", "-p", "8080:8080", "-p", "17000:7000/udp"])
                _ = try guest.serve(Self.files, ["8080"])
                _ = try guest.serve(Machine.program("probe.py"), ["serve", family == .ipv4 ? "0.0.0.0" : "::", "7000"])
                let host = family == .ipv4 ? "127.0.0.1" : "[::1]"
                let file = try bed.run(["curl", "-sS", "--max-time", "10", "http://\(host):8080/10"])
                #expect(file.status == 0, "\(file.errors)")
                let answer = try bed.run(
                    ["python3", Machine.program("probe.py"), "ask", family.loopback, "17000", "0"])
                #expect(try answer.requireSuccess().hasPrefix(family.host + " "))
                let query = try guest.run([
                    "dig", "+short", "+time=5", "gateway.ringway.internal", "@\(family.gateway)",
                ])
                #expect(try query.requireSuccess().contains("192.168.127.1"))
            }
        }

        @Test func `are kept from it by the configuration file, and no longer when that changes`() throws {
            try TestBed.use { bed in
                try serve(bed)
                let file = "\(bed.directory)/network.yaml"
                func write(_ host: Bool) throws {
                    try Data("host: \(host)\nlisten: qemu:\(bed.directory)/vm.sock\n".utf8)
                        .write(to: URL(filePath: file), options: .atomic)
                }
                try write(false)
                let service = try Service(bed, ["--config", file])
                let machine = try VirtualMachine(bed, "vm")
                try machine.plug("qemu:\(bed.directory)/vm.sock", "52:54:00:00:00:01")
                try machine.configure()
                let fetch = ["curl", "-sS", "--max-time", "3", "-o", "/dev/null", "http://192.168.127.254:8080/10"]
                #expect(try machine.run(fetch).status != 0)
                try write(true)
                try service.waitForLine("what guests may reach has changed")
                #expect(try machine.run(fetch).status == 0)
                try write(false)
                try waitUntil("the host to be refused") { try machine.run(fetch).status != 0 }
                try machine.kill()
                _ = try service.end()
            }
        }
    }
}
