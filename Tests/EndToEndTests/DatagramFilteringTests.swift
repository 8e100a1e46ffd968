import Testing

extension EndToEnd {
    /// Which senders' datagrams pass to a port from which the guest has sent.
    @Suite("Filtering of datagrams")
    struct DatagramFilteringTests {
        private static let stun = Machine.program("stun.py")
        private static let tftp = Machine.program("tftp.py")

        /// The far machine's two addresses.
        private static func far(_ family: Family) -> (first: String, second: String) {
            family == .ipv4 ? ("10.77.2.2", "10.77.2.3") : ("fd77:2::2", "fd77:2::3")
        }

        /// A router, and a STUN server behind it.
        private func serve(_ bed: TestBed, _ family: Family) throws -> [String] {
            _ = try bed.makeRouter()
            let (namespace, far) = ("\(TestBed.name)-far", Self.far(family))
            let block = family == .ipv4 ? ["\(far.second)/24"] : ["\(far.second)/64", "nodad"]
            try bed.configure(namespace, ["addr", "add"] + block + ["dev", "cable2"])
            let ends = [far.first, far.second, "3478", "3479"]
            _ = try bed.serve(Self.stun, ["serve"] + ends, in: namespace)
            return ends
        }

        struct Filter: CustomTestStringConvertible, Sendable {
            let options: [String]
            /// The server's addresses whose replies pass, after one of them was asked.
            let passes: String
            let counter: String?
            var testDescription: String { options.isEmpty ? "by default" : options.joined(separator: " ") }
        }

        static let filters = [
            Filter(options: [], passes: "port", counter: "droppedUnsolicited"),
            Filter(options: ["--udp-filtering", "address"], passes: "port", counter: "droppedUnsolicited"),
            Filter(options: ["--udp-filtering", "address-and-port"], passes: "", counter: "droppedUnsolicited"),
            Filter(
                options: ["--udp-filtering", "endpoint-independent"], passes: "port address both", counter: nil),
        ]

        @Test("is what STUN finds, and the mapping is one", arguments: filters, Family.allCases)
        func isSeenBySTUN(_ filter: Filter, family: Family) throws {
            try TestBed.use { bed in
                let ends = try serve(bed, family)
                let guest = try Guest(bed, shards: 2, filter.options)
                let answer = try guest.run(["python3", Self.stun, "ask"] + ends)
                #expect(
                    try answer.requireSuccess() == "\(filter.passes)\naddress after a request to it\none mapping\n")
                guard let counter = filter.counter else { return }
                #expect(try guest.renewedStatistics()[counter, default: 0] > 0)
            }
        }

        @Test("accepts TFTP, whose server replies from another port", arguments: Family.allCases)
        func letsTFTPThrough(family: Family) throws {
            try TestBed.use { bed in
                let size = 70_000
                _ = try bed.serve(Self.tftp, [family.loopback, "69", "\(size)"])
                let guest = try Guest(bed, shards: 1)
                let host = family == .ipv4 ? family.host : "[\(family.host)]"
                let answer = try guest.run(["sh", "-c", "curl -sS --max-time 30 tftp://\(host)/file | sha256sum"])
                let expected = try bed.run([
                    "python3", "-c",
                    "import hashlib; print(hashlib.sha256(bytes(i % 251 for i in range(\(size)))).hexdigest())",
                ]).requireSuccess()
                #expect(try answer.requireSuccess().prefix(64) == expected.prefix(64))
            }
        }

        @Test("goes by the policy too, and by the loopback's switch", arguments: Family.allCases)
        func goesByPolicy(family: Family) throws {
            try TestBed.use { bed in
                _ = try serve(bed, family)
                let far = Self.far(family)
                let guest = try Guest(
                    bed, shards: 1,
                    [
                        "--udp-filtering", "endpoint-independent", "--no-host-loopback", "--deny",
                        "\(far.second)/\(family == .ipv4 ? 32 : 128)",
                    ])
                let client = try guest.start(["python3", Self.stun, "hold", far.first, "3478"], keepsInput: true)
                try client.waitForOutput("mapped")
                let port = client.output.split(whereSeparator: \.isWhitespace).last.map(String.init) ?? ""
                let host = family == .ipv4 ? "10.77.1.1" : "fd77:1::1"
                let machine = "\(TestBed.name)-far"
                // Datagrams that must be dropped are sent before one that passes.
                for (local, target, namespace) in [
                    (far.second, host, machine), (family.loopback, family.loopback, bed.host),
                    (far.first, host, machine),
                ] {
                    _ = try bed.run(["python3", Self.stun, "send", local, target, port], in: namespace).requireSuccess()
                }
                try client.waitForOutput("heard")
                client.closeInput()
                let lines = try client.waitForEnd().requireSuccess().split(separator: "\n").dropFirst()
                #expect(lines == ["heard \(far.first)"])
                #expect(try guest.renewedStatistics()["droppedRefusedSender"] == 2)
            }
        }

        @Test func `leaves published ports to the address that they are published on`() throws {
            try TestBed.use { bed in
                _ = try serve(bed, .ipv4)
                let guest = try Guest(
                    bed, shards: 1,
                    ["-p", "17000:7000/udp", "--udp-filtering", "address-and-port", "--deny", "10.77.2.0/24"])
                _ = try guest.serve(Machine.program("probe.py"), ["serve", "0.0.0.0", "7000"])
                let answer = try bed.run(
                    ["python3", Machine.program("probe.py"), "ask", "10.77.1.1", "17000", "0"],
                    in: "\(TestBed.name)-far")
                #expect(try answer.requireSuccess().hasPrefix("10.77.2.2 "))
            }
        }
    }
}
