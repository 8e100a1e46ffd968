import Testing

extension EndToEnd {
    @Suite("Addresses and paths")
    struct AddressTests {
        @Test func `come from DHCP for each client that asks`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1, ["--mtu", "1400"])
                let lines = try guest.run([
                    "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "3", "-T", "2", "-s", Machine.program("lease.sh"),
                ]).requireSuccess().split(separator: "\n").map(String.init)
                #expect(lines.contains("address 192.168.127.2"))
                #expect(lines.contains("mask 255.255.255.0"))
                #expect(lines.contains("router 192.168.127.1"))
                #expect(lines.contains("dns 192.168.127.1"))
                #expect(lines.contains("mtu 1400"))
            }
        }

        @Test func `and routes come from router advertisements for an interface that has none`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1)
                _ = try guest.run(["ip", "-6", "addr", "flush", "dev", "eth0"]).requireSuccess()
                _ = try guest.run(["ip", "link", "set", "eth0", "down"]).requireSuccess()
                _ = try guest.run(["ip", "link", "set", "eth0", "up"]).requireSuccess()
                try waitUntil("an address of the prefix") {
                    try guest.run(["ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "global"])
                        .output.contains(" fd00:1:2:3:")
                }
                try waitUntil("a default route") {
                    try guest.run(["ip", "-6", "route", "show", "default"]).output.contains("via fe80::1 ")
                }
                #expect(try guest.run(["ping", "-c", "1", "-W", "5", Family.ipv6.host]).status == 0)
            }
        }

        @Test("answer pings", arguments: shards, Family.allCases)
        func answerPings(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: shards)
                for address in [family.gateway, family.host] {
                    let outcome = try guest.run([
                        "ping", "-n", "-c", "3", "-i", "0.05", "-W", "5", "-s", "1000", address,
                    ])
                    #expect(outcome.output.contains(" 3 received"), "\(address)")
                }
            }
        }

        @Test("show their routers to traceroute", arguments: Family.allCases, [[], ["-I"], ["-T", "-p", "7000"]])
        func showRouters(family: Family, method: [String]) throws {
            try TestBed.use { bed in
                _ = try bed.makeRouter()
                let guest = try Guest(bed, shards: 2)
                let far = family == .ipv4 ? "10.77.2.2" : "fd77:2::2"
                let router = family == .ipv4 ? "10.77.1.2" : "fd77:1::2"
                let outcome = try guest.run(
                    ["traceroute", family.flag, "-n", "-q", "1", "-w", "2", "-m", "5"] + method + [far])
                let hops = try outcome.requireSuccess().split(separator: "\n").dropFirst().map { line in
                    line.split(separator: " ").dropFirst().first.map(String.init) ?? ""
                }
                #expect(hops == [family.gateway, router, far])
            }
        }
    }
}
