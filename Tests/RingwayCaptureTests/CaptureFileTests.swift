import Foundation
import RingwayModel
import RingwayWire
import Testing

@testable import RingwayCapture

@Suite("A capture's files") struct CaptureFileTests {
    @Test func `hold every block that was appended`() throws {
        try Folder.use { folder in
            var file = try CaptureFile(CaptureOptions(folder.path("c")))
            #expect(file.append(Block.frames(3, length: 100)) == CaptureFile.Outcome(written: 3))
            #expect(file.append(Block.frames(2, length: 0)) == CaptureFile.Outcome(written: 2))
            #expect(try folder.packets(in: "c").map(\.bytes.count) == [100, 100, 100, 0, 0])
        }
    }

    @Test func `are rotated before one would grow beyond its bound, and the oldest is removed`() throws {
        try Folder.use { folder in
            var options = CaptureOptions(folder.path("c"))
            options.fileSize = 1 << 20
            options.fileCount = 3
            var file = try CaptureFile(options)
            // Some 65 KiB each: fifteen or sixteen per file.
            for number in 0..<100 {
                let outcome = file.append(Block.frame([UInt8](repeating: UInt8(number), count: 65_000)))
                #expect(outcome == CaptureFile.Outcome(written: 1))
            }
            #expect(folder.files == ["c", "c.1", "c.2"])
            var numbers: [UInt8] = []
            for name in ["c.2", "c.1", "c"] {
                #expect(folder.size(of: name) <= 1 << 20)
                numbers += try folder.packets(in: name).compactMap(\.bytes.first)
            }
            #expect(numbers == Array(UInt8(100 - numbers.count)..<100), "the newest frames, none of them missing")
            #expect(numbers.count > 30)
        }
    }

    @Test func `are all kept if no new one can be opened`() throws {
        try Folder.use { folder in
            var options = CaptureOptions(folder.path("c"))
            options.fileSize = 1 << 20
            options.fileCount = 3
            var file = try CaptureFile(options)
            for _ in 0..<40 { _ = file.append(Block.frame([UInt8](repeating: 7, count: 65_000))) }
            let names = ["c", "c.1", "c.2"]
            #expect(folder.files == names)
            // The name under which the new file is opened is taken by a directory.
            mkdir(folder.path("c.0"), 0o700)
            while file.append(Block.frame([UInt8](repeating: 7, count: 65_000))).error == 0 {}
            let kept = try names.map { try folder.bytes(of: $0) }
            #expect(file.append(Block.frame([UInt8](repeating: 7, count: 65_000))).error == EISDIR)
            #expect(try names.map { try folder.bytes(of: $0) } == kept)
            rmdir(folder.path("c.0"))
            #expect(file.append(Block.frame([UInt8](repeating: 8, count: 65_000))) == CaptureFile.Outcome(written: 1))
            #expect(folder.files == names)
            #expect(try folder.bytes(of: "c.1") == kept[0])
            #expect(try folder.packets(in: "c").map(\.bytes.first) == [8])
        }
    }

    @Test func `write a frame that exceeds the remaining size whole into the next one`() throws {
        try Folder.use { folder in
            var options = CaptureOptions(folder.path("c"))
            options.fileSize = 1 << 20
            var file = try CaptureFile(options)
            for length in [1_000_000, 1_000_000] {
                // Two blocks at a time: the second starts the next file.
                let outcome = file.append(Block.frames(4, length: length / 4))
                #expect(outcome == CaptureFile.Outcome(written: 4))
            }
            #expect(try folder.packets(in: "c.1").count == 4)
            #expect(try folder.packets(in: "c").count == 4)
        }
    }

    @Test func `never lie behind a symbolic link, which others may have put there`() throws {
        try Folder.use { folder in
            try Data("precious".utf8).write(to: URL(fileURLWithPath: folder.path("precious")))
            symlink(folder.path("precious"), folder.path("c"))
            #expect(throws: CaptureFailure.self) { _ = try CaptureFile(CaptureOptions(folder.path("c"))) }
            #expect(try folder.bytes(of: "precious") == Array("precious".utf8))
            // Nor on rotation.
            unlink(folder.path("c"))
            var options = CaptureOptions(folder.path("c"))
            options.fileSize = 1 << 20
            var file = try CaptureFile(options)
            _ = file.append(Block.frames(10, length: 65_000))
            unlink(folder.path("c"))
            symlink(folder.path("precious"), folder.path("c"))
            for _ in 0..<3 { _ = file.append(Block.frames(10, length: 65_000)) }
            #expect(try folder.bytes(of: "precious") == Array("precious".utf8))
        }
    }

    @Test(arguments: ["/proc/self/fd/../../..", "/dev/fd/../../.."])
    func `never lie behind a link beyond the directory of descriptors`(_ detour: String) throws {
        try Folder.use { folder in
            try Data("precious".utf8).write(to: URL(fileURLWithPath: folder.path("precious")))
            symlink(folder.path("precious"), folder.path("c"))
            #expect(throws: CaptureFailure.self) { _ = try CaptureFile(CaptureOptions(detour + folder.path("c"))) }
            #expect(try folder.bytes(of: "precious") == Array("precious".utf8))
        }
    }

    @Test func `may be a descriptor that the process was given`() throws {
        try Folder.use { folder in
            let descriptor = open(folder.path("given"), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            defer { close(descriptor) }
            var file = try CaptureFile(CaptureOptions("/dev/fd/\(descriptor)"))
            #expect(file.append(Block.frames(3, length: 100)) == CaptureFile.Outcome(written: 3))
            #expect(try folder.packets(in: "given").count == 3)
        }
    }

    @Test(arguments: ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
    func `cannot follow a descriptor, whatever it leads to`(_ path: String) {
        var options = CaptureOptions(path)
        options.fileSize = 1 << 20
        let reason = "\(path) is a descriptor of the process, so no further files can take its place"
        #expect(throws: CaptureFailure(reason)) { _ = try CaptureFile(options) }
    }

    @Test func `end with the counts of frames`() throws {
        try Folder.use { folder in
            var file = try CaptureFile(CaptureOptions(folder.path("c")))
            _ = file.append(Block.frames(1, length: 60))
            file.finish(received: 3, dropped: 2)
            let bytes = try folder.bytes(of: "c")
            let block = Array(bytes.suffix(CaptureWriter.statisticsLength))
            #expect(block[0] == 5 && block[24] == 3 && block[36] == 2)
            #expect(try folder.packets(in: "c").count == 1)
        }
    }

    @Test func `are refused with the reason`() throws {
        #expect(
            throws: CaptureFailure("cannot create the capture file /nonexistent/c: No such file or directory")
        ) { _ = try CaptureFile(CaptureOptions("/nonexistent/c")) }
        #expect(throws: CaptureFailure("cannot write the capture file /dev/full: No space left on device")) {
            _ = try CaptureFile(CaptureOptions("/dev/full"))
        }
        var rotated = CaptureOptions("/dev/null")
        rotated.fileSize = 1 << 20
        #expect(throws: CaptureFailure.self) { _ = try CaptureFile(rotated) }
    }

    @Test func `a pipe that has no reader is refused at once`() throws {
        try Folder.use { folder in
            #expect(mkfifo(folder.path("c"), 0o600) == 0)
            #expect(throws: CaptureFailure.self) { _ = try CaptureFile(CaptureOptions(folder.path("c"))) }
        }
    }
}

/// Blocks of a capture file.
enum Block {
    static func frame(_ bytes: [UInt8]) -> [UInt8] {
        var block = [UInt8](
            repeating: 0,
            count: CaptureWriter.packetHeaderLength + bytes.count
                + CaptureWriter.packetTrailerLength(capturedLength: bytes.count))
        block.withUnsafeMutableBytes { target in
            guard let start = target.baseAddress else { return }
            CaptureWriter.writePacketHeader(
                to: start, nanosecondsSince1970: 1, capturedLength: bytes.count, originalLength: bytes.count)
            let frame = start + CaptureWriter.packetHeaderLength
            frame.copyMemory(from: bytes, byteCount: bytes.count)
            CaptureWriter.writePacketTrailer(
                to: frame + bytes.count, capturedLength: bytes.count, direction: .fromGuest)
        }
        return block
    }

    static func frames(_ count: Int, length: Int) -> [UInt8] {
        (0..<count).flatMap { _ in frame([UInt8](repeating: 7, count: length)) }
    }
}

extension CaptureFile {
    mutating func append(_ blocks: [UInt8]) -> Outcome {
        blocks.withUnsafeBytes { append($0) }
    }
}

/// A directory for one test.
struct Folder {
    let directory: String

    static func use(_ body: (Folder) throws -> Void) throws {
        let directory = NSTemporaryDirectory() + "/ringway-capture-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(Folder(directory: directory))
    }

    func path(_ name: String) -> String { "\(directory)/\(name)" }

    var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted() }

    func bytes(of name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path(name)))) }

    func size(of name: String) -> Int { (try? bytes(of: name).count) ?? 0 }

    func packets(in name: String) throws -> [CapturedPacket] { Array(try CaptureReader(bytes(of: name))) }
}
