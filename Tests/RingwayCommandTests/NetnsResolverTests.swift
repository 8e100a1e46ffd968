import Foundation
import Testing

@testable import RingwayCommand

@Suite("The file of \"ip netns\"")
struct NetnsResolverTests {
    private static let ours = "\(ResolverConfiguration.firstLine)nameserver 192.168.127.1\n"

    /// A directory in place of /etc/netns.
    private func inDirectory(_ body: (String, NetnsResolver) throws -> Void) throws {
        let directory = NSTemporaryDirectory() + "ringway-netns-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(directory, try #require(NetnsResolver(namespace: "/run/netns/blue", in: directory)))
    }

    private func contents(_ path: String) -> String? {
        FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
    }

    private func entries(_ directory: String) -> [String] {
        ((try? FileManager.default.subpathsOfDirectory(atPath: directory)) ?? []).sorted()
    }

    @Test(
        "is that of a namespace with a name",
        arguments: [
            ("/run/netns/blue", true), ("/var/run/netns/blue", true), ("/proc/7/ns/net", false), ("/run/netns/", false),
            ("/run/netns/..", false), ("/run/netns/a/b", false), ("/run/user/1/netns/blue", false),
        ])
    func isOfAName(path: String, isNamed: Bool) {
        #expect((NetnsResolver(namespace: path) != nil) == isNamed)
    }

    @Test func `goes with its directories when there was nothing`() throws {
        try inDirectory { directory, resolver in
            let written = try resolver.write(Self.ours)
            #expect(written.made == ["\(directory)/blue", directory])
            #expect(contents(resolver.path) == Self.ours)
            #expect(written.takeBack() == nil)
            #expect(!FileManager.default.fileExists(atPath: directory))
        }
    }

    @Test func `gives way to what was there, a link as a link`() throws {
        try inDirectory { directory, resolver in
            try FileManager.default.createDirectory(atPath: "\(directory)/blue", withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(atPath: resolver.path, withDestinationPath: "/nowhere")
            let written = try resolver.write(Self.ours)
            #expect(contents(resolver.path) == Self.ours)
            #expect(
                entries("\(directory)/blue") == ["resolv.conf"], "everything in it is mounted over something of /etc")
            #expect(written.takeBack() == nil)
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: resolver.path) == "/nowhere")
            #expect(entries(directory) == ["blue", "blue/resolv.conf"])
        }
    }

    @Test func `stays when others have written it meanwhile, and the previous content is reported`() throws {
        try inDirectory { directory, resolver in
            try FileManager.default.createDirectory(atPath: "\(directory)/blue", withIntermediateDirectories: true)
            try "before\n".write(toFile: resolver.path, atomically: false, encoding: .utf8)
            let written = try resolver.write(Self.ours)
            try "theirs\n".write(toFile: resolver.path, atomically: false, encoding: .utf8)
            let line = try #require(written.takeBack())
            #expect(contents(resolver.path) == "theirs\n")
            let kept = try #require(line.split(separator: " ").last.map(String.init))
            #expect(contents(kept) == "before\n")
        }
    }

    @Test func `is not written while what it was before an earlier run is still kept`() throws {
        try inDirectory { directory, resolver in
            try FileManager.default.createDirectory(atPath: "\(directory)/blue", withIntermediateDirectories: true)
            try "before\n".write(toFile: resolver.path, atomically: false, encoding: .utf8)
            let written = try resolver.write(Self.ours)
            try "theirs\n".write(toFile: resolver.path, atomically: false, encoding: .utf8)
            let kept = try #require(written.takeBack()?.split(separator: " ").last.map(String.init))
            let failure = #expect(throws: CommandFailure.self) { try resolver.write(Self.ours) }
            #expect(failure?.message.contains(kept) == true)
            #expect(contents(resolver.path) == "theirs\n" && contents(kept) == "before\n")
            #expect(entries(directory).count == 3)
        }
    }

    @Test func `is written and given back after a run that was killed when it had kept the file`() throws {
        try inDirectory { directory, resolver in
            try FileManager.default.createDirectory(atPath: "\(directory)/blue", withIntermediateDirectories: true)
            try "before\n".write(toFile: resolver.path, atomically: false, encoding: .utf8)
            try FileManager.default.linkItem(
                atPath: resolver.path, toPath: "\(directory)/.blue.resolv.conf.before-ringway")
            let written = try resolver.write(Self.ours)
            #expect(contents(resolver.path) == Self.ours)
            #expect(written.takeBack() == nil)
            #expect(contents(resolver.path) == "before\n")
            #expect(entries(directory) == ["blue", "blue/resolv.conf"])
        }
    }

    @Test func `reports why it cannot be written, and leaves no file`() throws {
        try inDirectory { directory, resolver in
            try FileManager.default.createDirectory(
                atPath: "\(directory)/blue/resolv.conf/x", withIntermediateDirectories: true)
            #expect(throws: CommandFailure.self) { try resolver.write(Self.ours) }
            #expect(entries(directory) == ["blue", "blue/resolv.conf", "blue/resolv.conf/x"])
        }
    }
}
