import Foundation
import Ringway
import Testing

/// A directory with a file of noise, and a web server on the host's loopback that has it.
final class Bed {
    let directory: String
    private let noise: Data
    private let server: Program
    private let port: String

    private init(byteCount: Int) throws {
        var template = Array("/tmp/ringway-embedding-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw LauncherFailure("mkdtemp: \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        var generator = SystemRandomNumberGenerator()
        noise = Data((0..<byteCount / 8).flatMap { _ in withUnsafeBytes(of: generator.next()) { Array($0) } })
        try noise.write(to: URL(fileURLWithPath: directory + "/noise"))
        server = try Program(["python3", Self.program("server.py"), directory])
        port = server.firstLine()
    }

    /// Makes a bed, uses it and removes it, whatever becomes of the test.
    static func use(byteCount: Int = 4 << 20, _ body: (Bed) async throws -> Void) async throws {
        let bed = try Bed(byteCount: byteCount)
        defer { try? FileManager.default.removeItem(atPath: bed.directory) }
        try await body(bed)
        try bed.server.stop()
    }

    /// A program of the tests' own.
    static func program(_ name: String) -> String {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return package.appendingPathComponent("Programs/\(name)").path
    }

    private static func curl(_ url: String, to path: String) -> [String] {
        ["curl", "--silent", "--show-error", "--fail", "--noproxy", "*", "--max-time", "20", "--output", path, url]
    }

    /// Has a machine fetch the file from the host's loopback, by name, and fetches it from the machine at a port of the
    /// host's.
    func carry(by machine: Machine, publishedAt published: UInt16) throws {
        try machine.run(Self.curl("http://host.ringway.internal:\(port)/noise", to: directory + "/received"))
        #expect(FileManager.default.contents(atPath: directory + "/received") == noise)
        try Program.run(Self.curl("http://127.0.0.1:\(published)/received", to: directory + "/returned"))
        #expect(FileManager.default.contents(atPath: directory + "/returned") == noise)
    }

    /// The bytes of the file.
    var byteCount: Int { noise.count }
}
