import Foundation
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
                // The guest's DNS queries for the name are captured, too.
                let names = try bed.run(["tcpdump", "-nr", capture, "udp port 53"])
                #expect(names.output.contains("host.ringway.internal"))
            }
        }

        @Test("on a full disk keeps a valid file, counts and reports missing frames, and resumes when there is room")
        func survivesAFullDisk() throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("files.py"), ["8080"])
                let disk = "\(bed.directory)/disk"
                try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
                let script =
                    "mount -t tmpfs -o size=4m none \(disk) && head -c 2m /dev/zero > \(disk)/filler "
                    + "&& exec \"$@\""
                let guest = try Guest(
                    bed, shards: 1, ["--capture", "\(disk)/talk.pcapng"],
                    launcher: ["unshare", "-m", "sh", "-c", script, "sh"])
                // The disk in the bridge's mount namespace, where alone it is mounted.
                let seen = "/proc/\(guest.bridge.identifier)/root\(disk)"
                func download(_ length: Int) throws {
                    let client = try guest.run([
                        "curl", "-sS", "-4", "-o", "/dev/null", "http://host.ringway.internal:8080/\(length)",
                    ])
                    #expect(client.status == 0, "\(client.errors)")
                }
                try download(8_000_000)
                try guest.bridge.waitForErrors("loses frames: No space left on device")
                let counters = try guest.renewedStatistics()
                #expect(counters["captureFramesDropped"] ?? 0 > 0)
                let before = try readCapture("\(seen)/talk.pcapng", bed)
                #expect(before.contains("GET /8000000 "))

                try FileManager.default.removeItem(atPath: "\(seen)/filler")
                try waitUntil("frames are written again") {
                    try download(1)
                    return guest.bridge.errors.contains("continues; ")
                }
                try download(77)
                let status = try guest.end().status
                #expect(status == 0)
            }
        }

        @Test("bounds its files, cuts frames and filters them")
        func boundsFilesAndFrames() throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("files.py"), ["8080"])
                let capture = "\(bed.directory)/talk.pcapng"
                let client = try bed.ringway([
                    "run", "--capture", capture, "--capture-size", "1M", "--capture-files", "3", "--", "curl", "-sS",
                    "-4",
                    "-o", "/dev/null", "http://host.ringway.internal:8080/8000000",
                ])
                #expect(client.status == 0, "\(client.errors)")
                let files = try FileManager.default.contentsOfDirectory(atPath: bed.directory)
                    .filter { $0.hasPrefix("talk") }.sorted()
                #expect(files == ["talk.pcapng", "talk.pcapng.1", "talk.pcapng.2"])
                for file in files {
                    _ = try readCapture("\(bed.directory)/\(file)", bed)
                    let size = try FileManager.default.attributesOfItem(atPath: "\(bed.directory)/\(file)")[.size]
                    #expect(size as? Int ?? .max <= 1 << 20)
                }
                let cut = try bed.ringway([
                    "run", "--capture", capture, "--capture-snaplen", "100", "--", "curl", "-sS", "-4", "-o",
                    "/dev/null",
                    "http://host.ringway.internal:8080/8000000",
                ])
                #expect(cut.status == 0, "\(cut.errors)")
                let lengths = try readCapture(capture, bed).split(separator: "\n").compactMap { line in
                    line.split(separator: "length ").last.flatMap { Int($0.prefix { $0.isNumber }) }
                }
                #expect(lengths.reduce(0, +) > 8_000_000, "frames have the length that they had")
                let size = try FileManager.default.attributesOfItem(atPath: capture)[.size]
                #expect(size as? Int ?? .max < 1_000_000)
            }
        }

        /// tcpdump's output for a file, which must be complete.
        private func readCapture(_ path: String, _ bed: TestBed) throws -> String {
            let reader = try bed.run(["tcpdump", "-nAr", path])
            #expect(reader.status == 0, "\(reader.errors)")
            #expect(!reader.errors.contains("truncated"), "\(reader.errors)")
            return reader.output
        }
    }
}
