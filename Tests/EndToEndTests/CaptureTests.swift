import Testing

extension EndToEnd {
    @Suite("--capture")
    struct CaptureTests {
        @Test("writes what tcpdump reads, super-frames included", arguments: shards)
        func writesWhatTcpdumpReads(shards: Int) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("files.py"), ["8080"])
                let capture = "\(bed.directory)/talk.pcapng"
                let client = try bed.ringway([
                    "run", "--shards", "\(shards)", "--capture", capture, "--", "curl", "-sS", "-4", "-o", "/dev/null",
                    "http://host.ringway.internal:8080/4000000",
                ])
                #expect(client.status == 0, "\(client.errors)")
                let reader = try bed.run(["tcpdump", "-nr", capture, "tcp port 8080"])
                #expect(reader.status == 0)
                #expect(!reader.errors.contains("truncated"), "\(reader.errors)")
                #expect(!reader.output.contains("bad"))
                let lines = reader.output.split(separator: "\n")
                #expect(lines.count { $0.contains("Flags [S],") } == 1)
                #expect(lines.count { $0.contains("Flags [S.],") } == 1)
                #expect(lines.contains { $0.contains("GET /4000000 ") })
                let lengths = lines.compactMap { line in
                    line.split(separator: "length ").last.flatMap { Int($0.prefix { $0.isNumber }) }
                }
                #expect(lengths.reduce(0, +) > 4_000_000)
                #expect(lengths.contains { $0 > 1500 })
                // The guest's questions for the name are there too.
                let names = try bed.run(["tcpdump", "-nr", capture, "udp port 53"])
                #expect(names.output.contains("host.ringway.internal"))
            }
        }
    }
}
