import Foundation
import Testing

@testable import RingwaySystem

@Suite("Unix sockets in the file system")
struct NamedSocketTests {
    /// A directory of the test's own.
    private static func use(_ body: (String) throws -> Void) throws {
        let directory = "/tmp/ringway-sockets-\(getpid())-\(UInt32.random(in: 0...(.max)))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(directory)
    }

    private static func mode(_ path: String) -> UInt32 {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    /// Why no listener can be created at a path.
    private static func failure(_ path: String) -> String? {
        do throws(SystemError) {
            close(try NamedSocket.listen(path, backlog: 1).take())
            return nil
        } catch {
            return error.description
        }
    }

    @Test func `replace what an ended process has left, and nothing that is in use`() throws {
        try Self.use { directory in
            let path = "\(directory)/s"
            let first = try NamedSocket.listen(path, backlog: 1).take()
            #expect(NamedSocket.occupant(of: path) == .listener)
            #expect(Self.failure(path) == "cannot listen on unix:\(path): another process does")
            close(first)
            #expect(NamedSocket.occupant(of: path) == .abandoned)
            close(try NamedSocket.listen(path, backlog: 1).take())
        }
    }

    @Test func `are their owner's alone unless more is asked for`() throws {
        try Self.use { directory in
            close(try NamedSocket.listen("\(directory)/s", backlog: 1).take())
            #expect(Self.mode("\(directory)/s") == 0o600)
        }
    }

    @Test(arguments: ["file", "link", "directory"])
    func `take the place of nothing that is no socket`(_ kind: String) throws {
        try Self.use { directory in
            let path = "\(directory)/s"
            let stale = "\(directory)/stale"
            close(try NamedSocket.listen(stale, backlog: 1).take())
            switch kind {
            case "file": try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
            case "link": symlink(stale, path)
            default: mkdir(path, 0o755)
            }
            #expect(NamedSocket.occupant(of: path) == .other)
            #expect(Self.failure(path) == "cannot listen on unix:\(path): it exists and is no socket")
            var status = stat()
            #expect(lstat(path, &status) == 0)
            #expect(status.st_mode & S_IFMT != S_IFSOCK)
        }
    }

    @Test func `may have no file at all`() throws {
        let name = "@ringway-\(getpid())-\(UInt32.random(in: 0...(.max)))"
        close(try NamedSocket.listen(name, backlog: 1).take())
    }
}
