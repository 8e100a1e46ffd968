import Testing

extension EndToEnd {
    @Suite("Datagrams")
    struct DatagramTests {
        static let burst = Machine.program("burst.py")
        /// Trains of one size, a shorter datagram that ends a train, a longer one that cannot join it.
        static let sizes =
            Array(repeating: 1_200, count: 40) + [700, 1_200, 1_200, 1, 1_400, 60] + [64, 64, 64, 65, 3_000]

        @Test("in quick succession come back each as it was", arguments: shards, Family.allCases)
        func comeBack(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Self.burst, ["serve", family.loopback, "7000"])
                let guest = try Guest(bed, shards: shards)
                let answer = try guest.run(
                    ["python3", Self.burst, "call", family.host, "7000"] + Self.sizes.map(String.init))
                let sizes = try answer.requireSuccess().split(whereSeparator: \.isWhitespace).compactMap { Int($0) }
                // They may be reordered: a guest's kernel may send a flow's first datagrams by one queue and the rest
                // by another, and the loopback has a queue for each processor, between which its senders move.
                #expect(sizes.sorted() == Self.sizes.sorted())
            }
        }

        @Test("larger than the path's MTU arrive, however quickly they follow each other", arguments: Family.allCases)
        func arriveOverSmallPaths(family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.makeRouter()
                let (network, gateway) = family == .ipv4 ? ("10.77.2.0/24", "10.77.1.2") : ("fd77:2::/64", "fd77:1::2")
                let far = family == .ipv4 ? "10.77.2.2" : "fd77:2::2"
                try bed.configure(bed.host, ["route", "add", network, "via", gateway, "mtu", "1300"])
                _ = try bed.serve(Self.burst, ["serve", far, "7000"], in: "\(TestBed.name)-far")
                let guest = try Guest(bed, shards: 1)
                let sizes = Array(repeating: "1400", count: 30)
                let answer = try guest.run(["python3", Self.burst, "call", far, "7000"] + sizes)
                #expect(try answer.requireSuccess().split(separator: " ").count == sizes.count)
            }
        }

        @Test("of a published port arrive at clients behind a small path too", arguments: Family.allCases)
        func answerOverSmallPaths(family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.makeRouter()
                let (network, gateway) = family == .ipv4 ? ("10.77.2.0/24", "10.77.1.2") : ("fd77:2::/64", "fd77:1::2")
                try bed.configure(bed.host, ["route", "add", network, "via", gateway, "mtu", "1300"])
                let guest = try Guest(bed, shards: 1, ["-p", "7000:7000/udp"])
                _ = try guest.serve(Self.burst, ["serve", family == .ipv4 ? "0.0.0.0" : "::", "7000"])
                let host = family == .ipv4 ? "10.77.1.1" : "fd77:1::1"
                let sizes = Array(repeating: "1400", count: 30)
                let answer = try bed.run(
                    ["python3", Self.burst, "call", host, "7000"] + sizes, in: "\(TestBed.name)-far")
                #expect(try answer.requireSuccess().split(separator: " ").count == sizes.count)
            }
        }
    }
}
