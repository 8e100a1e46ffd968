import Foundation
import RingwayWire
import TestSupport
import Testing

@Suite("Capture files") struct CaptureTests {
    private let first: UInt64 = 1_700_000_000_123_456_789

    /// Every frame that Linux sent, a microsecond apart, to and from in turn.
    private func capture(_ frames: [[UInt8]]) -> [UInt8] {
        var file = written(CaptureWriter.fileHeaderLength) { CaptureWriter.writeFileHeader(to: $0) }
        for (index, frame) in frames.enumerated() {
            file += written(CaptureWriter.packetHeaderLength) {
                CaptureWriter.writePacketHeader(
                    to: $0, nanosecondsSince1970: first + UInt64(index) * 1_000, capturedLength: frame.count,
                    originalLength: frame.count + index)
            }
            file += frame
            let trailerLength = CaptureWriter.packetTrailerLength(capturedLength: frame.count)
            #expect(trailerLength <= CaptureWriter.packetTrailerLimit)
            file += written(trailerLength) {
                let count = CaptureWriter.writePacketTrailer(
                    to: $0, capturedLength: frame.count, direction: index.isMultiple(of: 2) ? .fromGuest : .toGuest)
                #expect(count == trailerLength)
            }
        }
        return file
    }

    @Test func `what is written can be read`() throws {
        let frames = KernelFrame.all.map(\.bytes) + [[], [1], [1, 2], [1, 2, 3]]
        let packets = Array(try CaptureReader(capture(frames)))
        #expect(packets.map(\.bytes) == frames)
        for (index, packet) in packets.enumerated() {
            #expect(packet.nanosecondsSince1970 == first + UInt64(index) * 1_000)
            #expect(packet.linkType == CaptureWriter.linkType && packet.originalLength == packet.bytes.count + index)
            #expect(packet.direction == (index.isMultiple(of: 2) ? .fromGuest : .toGuest))
        }
    }

    @Test func `other programs can read what is written`() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("ringway-\(UUID().uuidString).pcapng")
        defer { try? FileManager.default.removeItem(at: path) }
        try Data(capture(KernelFrame.all.map(\.bytes))).write(to: path)
        if let text = try output(of: "/usr/bin/tcpdump", ["-nn", "-tt", "--nano", "-r", path.path]) {
            #expect(text.split(separator: "\n").count == KernelFrame.all.count)
            #expect(text.hasPrefix("1700000000.123456789 "))
            #expect(text.contains("10.9.0.1.") && text.contains("Flags [S.]") && text.contains("who-has 10.9.0.2"))
        }
        let fields = ["frame.time_epoch", "frame.packet_flags_direction", "_ws.malformed"].flatMap { ["-e", $0] }
        if let text = try output(of: "/usr/bin/tshark", ["-n", "-r", path.path, "-T", "fields"] + fields) {
            let lines = text.split(separator: "\n")
            #expect(lines.count == KernelFrame.all.count)
            #expect(lines.first?.hasPrefix("1700000000.123456789\t") == true)
            #expect(!text.contains("Malformed"))
        }
    }

    @Test("classic captures, in either byte order", arguments: [false, true], [false, true])
    func classic(isBigEndian: Bool, hasNanoseconds: Bool) throws {
        func word(_ value: UInt32) -> [UInt8] {
            withUnsafeBytes(of: isBigEndian ? value.bigEndian : value.littleEndian, Array.init)
        }
        var file = word(hasNanoseconds ? 0xA1B2_3C4D : 0xA1B2_C3D4) + word(0x0002_0004) + word(0) + word(0)
        file += word(65_535) + word(1)
        file += word(5) + word(7) + word(3) + word(9) + [1, 2, 3]
        let packets = Array(try CaptureReader(file))
        #expect(packets.count == 1)
        let packet = try #require(packets.first)
        #expect(packet.nanosecondsSince1970 == 5_000_000_000 + (hasNanoseconds ? 7 : 7_000))
        #expect(packet.bytes == [1, 2, 3] && packet.originalLength == 9 && packet.linkType == 1)
        #expect(throws: CaptureReader.Failure.malformed(offset: 24)) { try CaptureReader(file.dropLast()) }
    }

    @Test func `blocks of others: big endian, simple packets, unknown blocks, microseconds`() throws {
        let file = hex(
            """
            0a0d0d0a 0000001c 1a2b3c4d 00010000 ffffffffffffffff 0000001c
            00000001 00000014 00010000 00000000 00000014
            00000bad 00000010 deadbeef 00000010
            00000003 00000014 00000003 01020300 00000014
            00000006 00000024 00000000 00000000 00000002 00000002 00000002 aabb0000 00000024
            """)
        let packets = Array(try CaptureReader(file))
        #expect(packets.map(\.bytes) == [[1, 2, 3], [0xAA, 0xBB]])
        #expect(packets.map(\.nanosecondsSince1970) == [0, 2_000])
        #expect(packets.allSatisfy { $0.direction == nil && $0.linkType == 1 })
    }

    @Test func `refuses what is no capture`() {
        #expect(throws: CaptureReader.Failure.notACapture) { try CaptureReader([]) }
        #expect(throws: CaptureReader.Failure.notACapture) { try CaptureReader(.init(repeating: 7, count: 100)) }
    }

    @Test("survives spoilt files", arguments: [UInt64](1...32))
    func survivesNoise(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let good = capture(KernelFrame.all.map(\.bytes))
        for _ in 0..<50 {
            var file = good
            for _ in 0..<4 { file[Int(noise.next() % UInt64(file.count))] = UInt8(truncatingIfNeeded: noise.next()) }
            file.removeLast(Int(noise.next() % 100))
            #expect(throws: Never.self) {
                do { _ = try CaptureReader(file) } catch is CaptureReader.Failure {}
            }
        }
    }

    /// What a program prints, or `nil` when it is not installed.
    private func output(of program: String, _ arguments: [String]) throws -> String? {
        guard FileManager.default.isExecutableFile(atPath: program) else { return nil }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return String(decoding: data, as: UTF8.self)
    }
}
