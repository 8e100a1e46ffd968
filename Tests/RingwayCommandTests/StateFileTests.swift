import CRingway
import Glibc
import Ringway
import Testing

@testable import RingwayCommand

@Suite("The state of a network")
struct StateFileTests {
    /// A directory of its own for each test.
    private static func withDirectory(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/ringway-state-XXXXXX".utf8CString)
        let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer {
            for name in ["s.json", "s.json.new", "s.json.broken", "other"] { unlink("\(directory)/\(name)") }
            rmdir(directory)
        }
        try body(directory)
    }

    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    private static func contents(_ path: String) -> String? {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = read(file, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    @Test func `is one file that belongs to one process at a time`() throws {
        try Self.withDirectory { directory in
            let path = directory + "/s.json"
            var file = try StateFile(path)
            #expect(file.bytes.isEmpty)
            for text in ["one", "two"] {
                #expect(file.write(Self.bytes(text)) == nil)
                #expect(Self.contents(path) == text)
                #expect(Self.contents(path + ".new") == nil)
                #expect(throws: StateFile.Obstacle.inUse) { _ = try StateFile(path) }
            }
        }
    }

    @Test func `may have a path that is not UTF-8`() throws {
        try Self.withDirectory { directory in
            // U+10FFFF in a path stands for the byte FF.
            let raw = (Self.bytes("\(directory)/") + [0xFF, 0]).map { CChar(bitPattern: $0) }
            do {
                var file = try StateFile(directory + "/\u{10FFFF}")
                for text in ["one", "two"] { #expect(file.write(Self.bytes(text)) == nil) }
                #expect(access(raw, F_OK) == 0)
                let aside = try file.setAside()
                #expect(ringway_path_unlink(aside) == 0)
            }
            #expect(unlink(raw) == 0)
            #expect(rmdir(directory) == 0, "nothing else is in it")
        }
    }

    @Test func `is there for the next one when it is given back`() throws {
        try Self.withDirectory { directory in
            let path = directory + "/s.json"
            do {
                var file = try StateFile(path)
                #expect(file.write(Self.bytes("one")) == nil)
            }
            let next = try StateFile(path)
            #expect(next.bytes == Self.bytes("one"))
        }
    }

    @Test func `is not written through a link, neither the file nor its draft`() throws {
        try Self.withDirectory { directory in
            let (path, other) = (directory + "/s.json", directory + "/other")
            var file = try StateFile(path)
            #expect(symlink(other, path + ".new") == 0)
            #expect(file.write(Self.bytes("one")) == nil)
            #expect(Self.contents(other) == nil)
            #expect(Self.contents(path) == "one")
            unlink(path)
            #expect(symlink(other, path) == 0)
            #expect(throws: StateFile.Obstacle.self) { _ = try StateFile(path) }
        }
    }

    @Test func `keeps its old contents when there is no room for new ones`() throws {
        try Self.withDirectory { directory in
            let path = directory + "/s.json"
            var file = try StateFile(path)
            #expect(file.write(Self.bytes("one")) == nil)
            #expect(mkdir(path + ".new", 0o700) == 0)
            #expect(file.write(Self.bytes("two")) != nil)
            #expect(file.write([UInt8](repeating: 0x20, count: StateFile.maximumSize + 1)) != nil)
            #expect(Self.contents(path) == "one")
            rmdir(path + ".new")
            #expect(file.write(Self.bytes("two")) == nil)
        }
    }

    @Test func `reads the values that were written`() throws {
        var configuration = VirtualNetwork.Configuration()
        configuration.rememberedLeases = [
            StaticLease(mac: try #require(MACAddress("52:54:00:00:00:01")), ipv4: IPv4Address(192, 168, 127, 7)),
            StaticLease(
                mac: try #require(MACAddress("52:54:00:00:00:02")), ipv4: IPv4Address(192, 168, 127, 2), name: "web"),
        ]
        configuration.publishOn = .loopback
        let network = try VirtualNetwork(configuration)
        defer { network.stop() }
        let forward = PortForward(
            hostAddress: nil, hostPorts: 27_991...27_992, guestPorts: 80...81, transport: .udp, guest: .name("web"))
        try network.publish(forward, owner: "ci")
        try network.holdForwards(of: "ci", seconds: 100)
        let state = NetworkState(of: network, links: ["qemu:/a b"])
        #expect(state.leases.map(\.name) == ["guest-7", "web"])
        #expect(state.published.map(\.forward) == [forward])
        #expect(state.owners.map(\.name) == ["ci"])
        #expect(try NetworkState(json: state.json) == state)
        #expect(state.ipv6Prefix == network.plan.ipv6Prefix)
    }

    @Test(
        "is refused where it is not whole",
        arguments: [
            "", "{", "[]", "{\"version\":2}", "{\"version\":1}",
            #"{"version":1,"network":"192.168.127.0/24","ipv6Prefix":"fd00::1"}"#,
            #"{"version":1,"network":"192.168.127.0/24","ipv6Prefix":"fd00::","leases":[{"mac":"x"}]}"#,
            #"{"version":1,"network":"192.168.127.0/24","ipv6Prefix":"fd00::","published":[{"forward":"a"}]}"#,
        ])
    func refuse(text: String) {
        #expect(throws: NetworkState.Failure.self) { try NetworkState(json: Array(text.utf8)) }
    }

    @Test func `gives way to what the configuration settles and leaves out what does not fit`() throws {
        func mac(_ number: UInt64) -> MACAddress { MACAddress(rawValue: 0x5254_0000_0000 | number) }
        var configuration = VirtualNetwork.Configuration()
        configuration.leases = [
            StaticLease(mac: mac(1), ipv4: IPv4Address(192, 168, 127, 5), name: "web"),
            StaticLease(mac: mac(2), ipv4: IPv4Address(192, 168, 127, 6)),
        ]
        configuration.rememberedLeases = [
            StaticLease(mac: mac(2), ipv4: IPv4Address(192, 168, 127, 9)),
            StaticLease(mac: mac(3), ipv4: IPv4Address(192, 168, 127, 5)),
            StaticLease(mac: mac(4), ipv4: IPv4Address(10, 0, 0, 5)),
            StaticLease(mac: mac(5), ipv4: IPv4Address(192, 168, 127, 10), name: "web"),
        ]
        let network = try VirtualNetwork(configuration)
        defer { network.stop() }
        let leases = network.leases.map { "\($0.mac) \($0.ipv4) \($0.name)" }
        #expect(
            leases == [
                "52:54:00:00:00:01 192.168.127.5 web", "52:54:00:00:00:02 192.168.127.6 guest-6",
                "52:54:00:00:00:05 192.168.127.10 guest-10",
            ])
    }
}
