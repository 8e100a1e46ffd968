import CRingway
import Foundation
import Testing

@testable import Ringway

@Suite("What is a network's own in the file system")
struct PrivateFileTests {
    private static func use(_ body: (String) throws -> Void) throws {
        let directory = "/tmp/ringway-files-\(getpid())-\(UInt32.random(in: 0...(.max)))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(directory)
    }

    private static func mode(_ path: String) -> UInt32 {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    // MARK: Sockets

    @Test(arguments: [0o600, 0o660, 0o666] as [mode_t])
    func `a socket has the permissions that were asked for, whatever the mask`(_ mode: mode_t) throws {
        try Self.use { directory in
            let before = umask(0o077)
            defer { umask(before) }
            let (descriptor, file) = try SocketFile.bind("\(directory)/s", type: SOCK_STREAM, mode: mode)
            #expect(Self.mode("\(directory)/s") == mode)
            close(descriptor)
            file.remove()
            #expect(access("\(directory)/s", F_OK) != 0)
        }
    }

    @Test(arguments: [true, false]) func `permissions are changed of a socket alone`(_ isLink: Bool) throws {
        try Self.use { directory in
            let (precious, path) = ("\(directory)/precious", "\(directory)/s")
            try Data("precious".utf8).write(to: URL(fileURLWithPath: isLink ? precious : path))
            if isLink { symlink(precious, path) }
            let before = Self.mode(isLink ? precious : path)
            #expect(ringway_socket_chmod(path, 0o666) != 0)
            #expect(errno == ENOTSOCK)
            #expect(Self.mode(isLink ? precious : path) == before)
        }
    }

    // MARK: Directories

    @Test func `a directory is made for its owner, those above it too where that is asked for`() throws {
        try Self.use { directory in
            #expect(PrivateDirectory.make("\(directory)/a") == nil)
            #expect(Self.mode("\(directory)/a") == 0o700)
            #expect(PrivateDirectory.make("\(directory)/a") == nil)
            #expect(PrivateDirectory.make("\(directory)/b/c/d") == "No such file or directory")
            #expect(PrivateDirectory.make("\(directory)/b/c/d", makesParents: true) == nil)
            #expect(Self.mode("\(directory)/b/c/d") == 0o700)
        }
    }

    @Test func `paths need not be UTF-8`() throws {
        try Self.use { directory in
            // U+10FFFF in a path stands for the byte FF.
            func raw(_ rest: String) -> [CChar] {
                (Array("\(directory)/".utf8) + [0xFF] + Array(rest.utf8) + [0]).map { CChar(bitPattern: $0) }
            }
            let odd = "\(directory)/\u{10FFFF}"
            #expect(PrivateDirectory.make("\(odd)/a", makesParents: true) == nil)
            #expect(PrivateDirectory.make("\(odd)/a") == nil)
            #expect(access(raw("/a"), F_OK) == 0)
            let (descriptor, _) = try SocketFile.listenPrivately("\(odd)/s", backlog: 1)
            #expect(access(raw("/s"), F_OK) == 0)
            close(descriptor)
            #expect(SocketFile.removeAbandoned("\(odd)/s"))
            #expect(access(raw("/s"), F_OK) != 0)
            // Foundation does not remove what it cannot name.
            for rest in ["/a", ""] { #expect(rmdir(raw(rest)) == 0) }
        }
    }

    @Test func `a path that is not a directory is refused`() throws {
        try Self.use { directory in
            try Data().write(to: URL(fileURLWithPath: "\(directory)/file"))
            #expect(PrivateDirectory.make("\(directory)/file") == "Not a directory")
            symlink("/nowhere", "\(directory)/link")
            #expect(PrivateDirectory.make("\(directory)/link") == "No such file or directory")
        }
    }

    @Test(.enabled(if: geteuid() == 0, "root is needed")) func `nor is one that others own or can write`() throws {
        try Self.use { directory in
            let path = "\(directory)/a"
            mkdir(path, 0o700)
            chown(path, 65_534, 65_534)
            #expect(PrivateDirectory.make(path) == "it belongs to another user")
            chown(path, 0, 0)
            chmod(path, 0o777)
            #expect(PrivateDirectory.make(path) == "every user may write to it")
            // Sticky, as /tmp: users cannot remove files of others.
            chmod(path, 0o1777)
            #expect(PrivateDirectory.make(path) == nil)
        }
    }
}
