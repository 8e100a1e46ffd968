import Foundation
import Testing

extension EndToEnd {
    /// Names and leases of the network, with a nameserver behind it that answers every query.
    @Suite("Names and leases of the network")
    struct OwnNameTests {
        private func startKnowAll(_ bed: TestBed) throws {
            try bed.setNameServer("127.0.0.1", search: "corp.example lab.example")
            let server = try bed.start([
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
                "--pid-file=", "--bind-interfaces", "--listen-address=127.0.0.1", "--address=/#/203.0.113.66",
                "--log-facility=-",
            ])
            try waitUntil("the nameserver") {
                guard server.isRunning else { throw TestFailure("dnsmasq ended: \(server.errors)") }
                return try bed.run(["dig", "@127.0.0.1", "+time=1", "+tries=1", "anything.example"]).status == 0
            }
        }

        @Test func `that do not exist are not asked of a name server`() throws {
            try TestBed.use { bed in
                try startKnowAll(bed)
                let guest = try Guest(bed, shards: 1)
                #expect(try guest.run(["dig", "+short", "anything.example"]).output == "203.0.113.66\n")
                for question in [
                    ["nosuch.ringway.internal"], ["nosuch.ringway.internal", "AAAA"], ["-x", "192.168.127.77"],
                    ["-x", "fd00:1:2:3::77"], ["+tcp", "nosuch.ringway.internal"],
                ] {
                    let answer = try guest.run(["dig", "+time=5"] + question).requireSuccess()
                    #expect(answer.contains("status: NXDOMAIN") && answer.contains("flags: qr aa"), "\(answer)")
                    #expect(answer.contains("gateway.ringway.internal. nobody.invalid."), "\(answer)")
                }
                let none = try guest.run(["dig", "host.ringway.internal", "MX"]).requireSuccess()
                #expect(
                    none.contains("status: NOERROR") && none.contains("ANSWER: 0") && none.contains("SOA"), "\(none)")
                #expect(try guest.run(["dig", "+short", "-x", "192.168.127.254"]).output == "host.ringway.internal.\n")
            }
        }

        /// CVE-2024-29018 (moby): a network that may reach nothing still resolved names, and so sent data out.
        @Test func `are the only ones where all destinations are denied`() throws {
            try TestBed.use { bed in
                try startKnowAll(bed)
                let guest = try Guest(bed, shards: 1, ["--deny", "0.0.0.0/0", "--deny", "::/0"])
                for question in [["data.attacker.example"], ["+tcp", "data.attacker.example", "TXT"]] {
                    let answer = try guest.run(["dig", "+time=5"] + question).requireSuccess()
                    #expect(answer.contains("status: REFUSED") && answer.contains("ANSWER: 0"), "\(answer)")
                }
                #expect(try guest.run(["dig", "+short", "gateway.ringway.internal"]).output == "192.168.127.1\n")
                // With anything allowed, names are needed.
                let other = try Guest(
                    bed, shards: 1, ["--deny", "0.0.0.0/0", "--deny", "::/0", "--allow", "203.0.113.0/24"])
                #expect(try other.run(["dig", "+short", "anything.example"]).output == "203.0.113.66\n")
            }
        }

        @Test func `with a wildcard are found, exact ones first`() throws {
            try TestBed.use { bed in
                try startKnowAll(bed)
                let configuration = bed.directory + "/serve.yaml"
                try """
                listen: qemu:\(bed.directory)/q
                names: {"*.dev.example": 10.0.0.5, "a.dev.example": 10.0.0.6}
                """.write(toFile: configuration, atomically: true, encoding: .utf8)
                _ = try Service(bed, ["--config", configuration])
                let machine = try VirtualMachine(bed, "machine")
                try machine.plug("qemu:\(bed.directory)/q", "52:54:00:00:05:01")
                try machine.configure()
                for (name, address) in [
                    ("x.dev.example", "10.0.0.5"), ("y.x.dev.example", "10.0.0.5"), ("a.dev.example", "10.0.0.6"),
                    ("dev.example", "203.0.113.66"),
                ] {
                    #expect(
                        try machine.run(["dig", "+short", "@192.168.127.1", name]).output == "\(address)\n", "\(name)")
                }
            }
        }

        /// The variables that a DHCP client passes to its script.
        private func lease(_ bed: TestBed, _ machine: VirtualMachine) throws -> [String: String] {
            let text = try machine.run(
                [
                    "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "20", "-T", "1", "-s", Machine.program("lease.sh"),
                    "-O", "search", "-O", "staticroutes", "-O", "ntpsrv",
                ]
            ).requireSuccess()
            var lease: [String: String] = [:]
            for line in text.split(separator: "\n") {
                let words = line.split(separator: " ", maxSplits: 1).map(String.init)
                lease[words[0]] = words.count > 1 ? words[1] : ""
            }
            return lease
        }

        @Test func `are sent by DHCP, with the host's search domains as they change`() throws {
            try TestBed.use { bed in
                try bed.setNameServer("127.0.0.1", search: "corp.example lab.example")
                _ = try Service(bed, ["--listen", "qemu:\(bed.directory)/q"])
                let machine = try VirtualMachine(bed, "machine")
                try machine.plug("qemu:\(bed.directory)/q", "52:54:00:00:05:01")
                let first = try lease(bed, machine)
                #expect(first["domain"] == "ringway.internal")
                #expect(first["broadcast"] == "192.168.127.255")
                #expect(first["search"] == "corp.example lab.example ringway.internal")
                #expect(first["routes"] == "0.0.0.0/0 192.168.127.1")
                #expect(first["ntp"] == "")
                try bed.setNameServer("127.0.0.1", search: "vpn.example")
                try waitUntil("the new search domain") {
                    try lease(bed, machine)["search"] == "vpn.example ringway.internal"
                }
            }
        }

        @Test func `have no IPv6 addresses for a guest without IPv6`() throws {
            try TestBed.use { bed in
                _ = try Service(bed, ["--listen", "qemu:\(bed.directory)/q"])
                let machine = try VirtualMachine(bed, "machine")
                for interface in ["all", "default"] {
                    try bed.set("net.ipv6.conf.\(interface).disable_ipv6", "1", in: machine.namespace)
                }
                try machine.plug("qemu:\(bed.directory)/q", "52:54:00:00:05:01")
                try machine.configure()
                func addresses(_ options: String...) throws -> String {
                    try machine.run(
                        ["dig", "+short", "@192.168.127.1", "host.docker.internal", "AAAA"] + options
                    ).requireSuccess()
                }
                #expect(try addresses() == "")
                #expect(try addresses("+tcp") == "")
                #expect(
                    try machine.run(["dig", "+short", "@192.168.127.1", "host.docker.internal"]).output
                        == "192.168.127.254\n")
                // The guest needs an IPv6 address to get the host's.
                for interface in ["all", "eth0"] {
                    try bed.set("net.ipv6.conf.\(interface).disable_ipv6", "0", in: machine.namespace)
                }
                try waitUntil("an IPv6 address that reaches the gateway") {
                    try machine.run(["ping", "-6", "-c", "1", "-w", "1", "fd00:1:2:3::1"]).status == 0
                }
                #expect(try addresses() == "fd00:1:2:3::fe\n")
                #expect(try addresses("+tcp") == "fd00:1:2:3::fe\n")
            }
        }
    }
}
