import Testing

extension EndToEnd {
    @Suite("Files")
    struct TransferTests {
        static let byteCount = 64 << 20

        @Test("arrive in the guest as they are, and go back so", arguments: shards, Family.allCases)
        func arriveUnchanged(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("files.py"), ["8080"])
                let guest = try Guest(bed, shards: shards)
                let path = "8080/\(Self.byteCount)"
                let copy = "\(bed.directory)/copy"
                let direct = try bed.run(["sh", "-c", "curl -sS http://localhost:\(path) | sha256sum"]).requireSuccess()
                    .replacing("  -", with: "")
                let url = "http://host.ringway.internal:\(path)"
                _ = try guest.run(["curl", "-sS", family.flag, "--max-time", "50", "-o", copy, url]).requireSuccess()
                let digest = try bed.run(["sha256sum", copy]).requireSuccess().replacing("  \(copy)", with: "")
                #expect(digest == direct)
                let answer = try guest.run(["curl", "-sS", family.flag, "--max-time", "50", "-T", copy, url])
                #expect(try answer.requireSuccess() == direct)
            }
        }

        @Test("arrive unchanged when fifty are fetched at once", arguments: shards)
        func arriveUnchangedInParallel(shards: Int) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("files.py"), ["8080"])
                let guest = try Guest(bed, shards: shards)
                let url = "http://host.ringway.internal:8080/1048576"
                let fetch = "curl -sS --max-time 50 \(url) | sha256sum"
                let direct = try bed.run(["sh", "-c", "curl -sS http://localhost:8080/1048576 | sha256sum"])
                let copies = try guest.run(["sh", "-c", "seq 50 | xargs -P 50 -I{} sh -c '\(fetch)'"])
                    .requireSuccess().split(separator: "\n")
                #expect(copies.count == 50)
                #expect(Set(copies.map { "\($0)\n" }) == [try direct.requireSuccess()])
            }
        }
    }
}
