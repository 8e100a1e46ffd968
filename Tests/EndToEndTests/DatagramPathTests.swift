import Testing

extension EndToEnd {
    /// A datagram's header fields and errors reach the other side.
    @Suite("The way of datagrams")
    struct DatagramPathTests {
        static let probe = Machine.program("probe.py")

        @Test("that must not be fragmented returns the path's MTU to its sender", arguments: shards, Family.allCases)
        func tellsPathMTU(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.makeRouter()
                let (network, gateway) = family == .ipv4 ? ("10.77.2.0/24", "10.77.1.2") : ("fd77:2::/64", "fd77:1::2")
                let far = family == .ipv4 ? "10.77.2.2" : "fd77:2::2"
                try bed.configure(bed.host, ["route", "add", network, "via", gateway, "mtu", "1300"])
                let guest = try Guest(bed, shards: shards)
                let answer = try guest.run(["python3", Self.probe, "mtu", far, "7000", "1400"])
                #expect(try answer.requireSuccess() == "1300\n")
                // The same for a ping.
                try bed.configure(bed.host, ["route", "replace", network, "via", gateway, "mtu", "1290"])
                let size = family == .ipv4 ? "1268" : "1248"
                let ping = try guest.run(["ping", "-M", "do", "-s", size, "-c", "2", "-w", "5", far])
                let words = (ping.output + ping.errors).replacing(" ", with: "")
                #expect(words.contains("mtu=1290"), "\(ping)")
            }
        }

        @Test("from a published port has that source port, whichever sends first", arguments: shards, Family.allCases)
        func beginsAtPublishedPort(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Self.probe, ["serve", family.loopback, "7000"])
                let guest = try Guest(bed, shards: shards, ["-p", "15060:5060/udp"])
                let answer = try guest.run(["python3", Self.probe, "ask", family.host, "7000", "5060"])
                #expect(try answer.requireSuccess().hasPrefix("\(family.loopback) 15060 "))
            }
        }

        @Test("to a published port without a server is refused", arguments: shards, Family.allCases)
        func isRefused(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: shards, ["-p", "15061:5061/udp"])
                let answer = try bed.run(["python3", Self.probe, "refused", family.loopback, "15061"])
                #expect(try answer.requireSuccess() == "refused\n")
                #expect(try guest.renewedStatistics()["udpRefusalsPassedOn", default: 0] > 0)
            }
        }

        @Test("to a socket that the guest has closed is refused", arguments: Family.allCases)
        func isRefusedAfterClose(family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.makeRouter()
                let far = family == .ipv4 ? "10.77.2.2" : "fd77:2::2"
                let server = try bed.serve(Self.probe, ["pester", far, "7000"], in: "\(TestBed.name)-far")
                let guest = try Guest(bed, shards: 1)
                _ = try guest.run(["python3", Self.probe, "say", far, "7000"]).requireSuccess()
                #expect(try server.waitForEnd().requireSuccess().hasSuffix("refused\n"))
            }
        }

        @Test("keeps its service class both ways", arguments: Family.allCases)
        func keepsServiceClass(family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Self.probe, ["serve", family.loopback, "7000"])
                let guest = try Guest(bed, shards: 1)
                // Expedited forwarding, and ECN-capable.
                let answer = try guest.run(["python3", Self.probe, "ask", family.host, "7000", "0", "186"])
                let (seen, back) = (" 186 64 |", "| 186 64\n")
                let text = try answer.requireSuccess()
                #expect(text.contains(seen) && text.hasSuffix(back), "\(text)")
            }
        }

        @Test("changes its service class in the middle of a flow", arguments: Family.allCases)
        func changesServiceClass(family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Self.probe, ["serve", family.loopback, "7000"])
                let guest = try Guest(bed, shards: 1)
                let answer = try guest.run(["python3", Self.probe, "change", family.host, "7000", "184", "40"])
                #expect(try answer.requireSuccess() == "184 40\n")
            }
        }

        @Test func `through a smaller link behind the guest arrives`() throws {
            try TestBed.use { bed in
                _ = try bed.serve(Self.probe, ["serve", "127.0.0.1", "7000"])
                let guest = try Guest(bed, shards: 1)
                let inner = try bed.makeNamespace("inner")
                // The program that creates an interface in the guest refers to the other namespace by a path that only
                // the host has.
                func configure(_ arguments: String...) throws {
                    _ = try bed.runAnywhere(["nsenter", "-t", "\(guest.command)", "-n"] + arguments).requireSuccess()
                }
                try configure("ip", "link", "add", "inner0", "type", "veth", "peer", "inner1", "netns", inner)
                try configure("ip", "addr", "add", "10.99.0.1/24", "dev", "inner0")
                try configure("ip", "link", "set", "inner0", "mtu", "1000", "up")
                try configure("sysctl", "-qw", "net.ipv4.ip_forward=1")
                try configure("nft", "add table ip nat")
                try configure("nft", "add chain ip nat out { type nat hook postrouting priority 100; }")
                try configure("nft", "add rule ip nat out oifname eth0 masquerade")
                try bed.configure(inner, ["addr", "add", "10.99.0.2/24", "dev", "inner1"])
                try bed.configure(inner, ["link", "set", "inner1", "mtu", "1000", "up"])
                try bed.configure(inner, ["route", "add", "default", "via", "10.99.0.1"])
                let answer = try bed.run(
                    ["python3", Self.probe, "size", "192.168.127.254", "7000", "1400"], in: inner)
                _ = try answer.requireSuccess()
                #expect(try guest.renewedStatistics()["icmpErrorsFromGuest", default: 0] > 0)
            }
        }
    }
}
