import Foundation
import Testing

@testable import RingwayAgent

@Suite("Where the agent's name servers go")
struct ResolverPlaceTests {
    private func decide(
        named: String? = nil, network: Bool?, mounts: Bool?, propagates: Bool?
    ) -> ResolverPlace {
        ResolverPlace.decide(
            named: named,
            ResolverPlace.Surroundings(sharesNetwork: network, sharesMounts: mounts, propagates: propagates),
            nameServer: "192.168.127.1")
    }

    @Test func `is the machine's own file where the machine is the guest`() {
        #expect(decide(network: true, mounts: true, propagates: true) == .file("/etc/resolv.conf"))
        // A service of the machine with its own mounts.
        #expect(decide(network: true, mounts: false, propagates: false) == .file("/etc/resolv.conf"))
    }

    @Test func `is a mount over it in a network namespace with mounts of its own`() {
        #expect(decide(network: false, mounts: false, propagates: false) == .mount("/etc/resolv.conf"))
        #expect(decide(network: nil, mounts: nil, propagates: false) == .mount("/etc/resolv.conf"))
    }

    @Test("is nowhere where another machine would see it", arguments: [(true, true), (true, false), (false, true)])
    func nowhere(mounts: Bool, propagates: Bool) {
        guard case .nowhere(let line?) = decide(network: false, mounts: mounts, propagates: propagates) else {
            Issue.record("something is written")
            return
        }
        #expect(line.contains("--resolv-conf FILE") && line.contains("nameserver 192.168.127.1"))
        #expect(!line.contains("\n"))
    }

    @Test func `is the user's choice`() {
        #expect(decide(named: "/a/b", network: false, mounts: true, propagates: true) == .file("/a/b"))
        #expect(decide(named: "", network: true, mounts: true, propagates: false) == .nowhere(nil))
    }

    @Test func `depends on the kernel's list of mounts`() {
        let table = """
            21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
            22 21 0:5 / /proc rw,nosuid master:3 - proc proc rw
            23 21 0:6 / /mnt rw - tmpfs shared:x rw
            """
        #expect(MountTable.isShared(21, in: table))
        #expect(!MountTable.isShared(22, in: table))
        #expect(!MountTable.isShared(23, in: table))
        #expect(MountTable.isShared(99, in: table))
        #expect(MountTable.propagates("/nowhere/at/all") == nil)
    }
}

@Suite("The file of name servers, and what was there before")
final class ResolverFileTests {
    private let directory = "/tmp/ringway-resolver-\(getpid())-\(UInt32.random(in: 0...(.max)))"
    private var path: String { directory + "/etc/resolv.conf" }

    init() throws {
        try FileManager.default.createDirectory(atPath: directory + "/etc", withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func text(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    private func names() -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory + "/etc"))?.sorted() ?? []
    }

    private func useAndRestore() throws {
        let file = ResolverFile(path)
        for server in ["192.168.127.1", "10.0.0.1"] {
            try file.set("nameserver \(server)\n")
            #expect(text(path)?.hasSuffix("\nnameserver \(server)\n") == true)
        }
        file.restore()
    }

    @Test func `comes back as a file`() throws {
        try "nameserver 9.9.9.9\n".write(toFile: path, atomically: false, encoding: .utf8)
        chmod(path, 0o640)
        try useAndRestore()
        #expect(text(path) == "nameserver 9.9.9.9\n")
        #expect(names() == ["resolv.conf"])
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o640)
    }

    @Test("is restored as a link, and the link's target is not changed", arguments: [true, false])
    func link(leads: Bool) throws {
        let stub = directory + "/stub.conf"
        if leads { try "nameserver 127.0.0.53\n".write(toFile: stub, atomically: false, encoding: .utf8) }
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "../stub.conf")
        let file = ResolverFile(path)
        try file.set("nameserver 192.168.127.1\n")
        #expect(text(stub) == (leads ? "nameserver 127.0.0.53\n" : nil))
        #expect(text(path)?.contains("192.168.127.1") == true)
        file.restore()
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path) == "../stub.conf")
        #expect(text(stub) == (leads ? "nameserver 127.0.0.53\n" : nil))
        #expect(names() == ["resolv.conf"])
    }

    @Test func `is gone where there was none, and so are directories that were made for it`() throws {
        try useAndRestore()
        #expect(names() == [])
        try FileManager.default.removeItem(atPath: directory + "/etc")
        try useAndRestore()
        #expect(!FileManager.default.fileExists(atPath: directory + "/etc"))
    }

    @Test func `comes back after an agent that was killed`() throws {
        try "nameserver 9.9.9.9\n".write(toFile: path, atomically: false, encoding: .utf8)
        try ResolverFile(path).set("nameserver 192.168.127.1\n")
        try useAndRestore()
        #expect(text(path) == "nameserver 9.9.9.9\n")
        #expect(names() == ["resolv.conf"])
        // Another program has removed the file meanwhile.
        try ResolverFile(path).set("nameserver 192.168.127.1\n")
        unlink(path)
        try useAndRestore()
        #expect(text(path) == "nameserver 9.9.9.9\n")
    }

    @Test func `may have a path that is not UTF-8`() throws {
        // U+10FFFF in a path stands for the byte FF.
        func raw(_ rest: String) -> [CChar] {
            (Array("\(directory)/".utf8) + [0xFF] + Array(rest.utf8) + [0]).map { CChar(bitPattern: $0) }
        }
        for hasFormer in [false, true] {
            if hasFormer {
                #expect(mkdir(raw(""), 0o755) == 0)
                #expect(symlink("/nowhere", raw("/resolv.conf")) == 0)
            }
            let file = ResolverFile(directory + "/\u{10FFFF}/resolv.conf")
            for server in ["192.168.127.1", "10.0.0.1"] {
                try file.set("nameserver \(server)\n")
                #expect(access(raw("/resolv.conf"), R_OK) == 0)
            }
            file.restore()
            // The former entry is a link that leads nowhere.
            #expect(access(raw("/resolv.conf"), F_OK) != 0)
            #expect(unlink(raw("/resolv.conf")) == (hasFormer ? 0 : -1))
            if hasFormer { #expect(rmdir(raw("")) == 0) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["etc"])
        }
    }

    @Test func `is left alone when another program has replaced it`() throws {
        try "nameserver 9.9.9.9\n".write(toFile: path, atomically: false, encoding: .utf8)
        let file = ResolverFile(path)
        try file.set("nameserver 192.168.127.1\n")
        try "nameserver 8.8.8.8\n".write(toFile: path, atomically: true, encoding: .utf8)
        file.restore()
        #expect(text(path) == "nameserver 8.8.8.8\n")
        #expect(names() == ["resolv.conf"])
    }
}
