import Foundation
import Testing

extension EndToEnd {
    /// A guest that sends arbitrary frames, beside machines whose kernels must not be deceived.
    @Suite("A hostile neighbour")
    struct HostileNeighborTests {
        private static let attacker = "52:54:00:00:0a:01"
        private static let victim = "52:54:00:00:0a:02"

        private static func start(_ bed: TestBed, _ attack: String...) throws -> Program {
            let program = try bed.start(
                [
                    "python3", Machine.program("hostile.py"), "\(bed.directory)/q", attacker, "192.168.127.2", victim,
                    "192.168.127.3",
                ] + attack)
            try program.waitForOutput("attacking")
            return program
        }

        private static func serve(_ bed: TestBed) throws -> Service {
            let service = try Service(bed, ["--listen", "qemu:\(bed.directory)/q"])
            return service
        }

        @Test func `cannot take a machine's IPv6 addresses by asking for them at the same time`() throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed)
                let attack = try Self.start(bed, "probe")
                try service.waitForLine(Self.attacker)
                let machine = try VirtualMachine(bed, "victim")
                // The kernel probes its addresses for duplicates, and drops one that another node probes for.
                try bed.set("net.ipv6.conf.default.accept_dad", "1", in: machine.namespace)
                try machine.plug("qemu:\(bed.directory)/q", Self.victim)
                try attack.waitForOutput("asked")
                var addresses = ""
                try waitUntil("the machine's addresses") {
                    addresses = try machine.run(["ip", "-6", "addr", "show", "dev", "eth0"]).requireSuccess()
                    return addresses.contains("inet6 fd00") && !addresses.contains("tentative")
                        || addresses.contains("dadfailed")
                }
                #expect(!addresses.contains("dadfailed"), "\(addresses)")
                #expect(addresses.contains("inet6 fe80"), "\(addresses)")
                try service.waitForCounters("refused probes") { $0["neighborProbesRefused", default: 0] >= 2 }
            }
        }

        @Test func `is no DHCP server and no router, in fragments neither`() throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed)
                let place = try Self.start(bed, "wait")
                try service.waitForLine(Self.attacker)
                let machine = try VirtualMachine(bed, "victim")
                try machine.plug("qemu:\(bed.directory)/q", Self.victim)
                try machine.configure()
                #expect(machine.address == "192.168.127.3")
                place.end()
                try service.waitForLine("is gone")
                let watch = try bed.serve(Machine.program("watch.py"), [Self.attacker], in: machine.namespace)
                let attack = try Self.start(bed, "forge")
                let outcome = try watch.waitForEnd(within: .seconds(30))
                #expect(outcome.output == "listening\nthat was all\n")
                try service.waitForCounters("refused fragments") { $0["neighborFragmentsRefused", default: 0] == 6 }
                try service.waitForCounters("refused frames") { $0["neighborFramesRefused", default: 0] == 3 }
                attack.end()
            }
        }

        @Test func `keeps no address of a machine that comes after it`() throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed)
                let other = try VirtualMachine(bed, "other")
                try other.plug("qemu:\(bed.directory)/q", "52:54:00:00:0a:03")
                try other.configure()
                let addresses = ["fe80::5054:ff:fe00:a02", "fd00:1:2:3:5054:ff:fe00:a02"]
                let attack = try bed.start(
                    [
                        "python3", Machine.program("hostile.py"), "\(bed.directory)/q", Self.attacker,
                        "192.168.127.3", Self.victim, "192.168.127.4", "claim",
                    ] + addresses)
                try attack.waitForOutput("done")
                try service.waitForCounters(of: "guest-3", "the claims") { $0["framesFlooded", default: 0] >= 3 }
                let machine = try VirtualMachine(bed, "victim")
                try machine.plug("qemu:\(bed.directory)/q", Self.victim)
                try machine.configure()
                try waitUntil("the machine's address") {
                    try machine.run(["ip", "-6", "addr"]).requireSuccess().contains(addresses[1])
                }
                #expect(try machine.reaches(Family.ipv6.gateway))
                try service.waitForCounters(of: "guest-3", "addresses lost") {
                    $0["addressesRevoked", default: 0] == 2
                }
            }
        }
    }
}
