import Dispatch
import Glibc
import RingwayModel
import RingwaySystem
import Synchronization
import Testing

@testable import RingwayResolver

/// `resolv.conf` and all ways in which it changes. The two nameservers share a port on two loopback addresses.
@Suite(.serialized, .timeLimit(.minutes(2))) final class FollowingTests {
    private let directory: String
    private let first: ScriptedNameserver
    private let second: ScriptedNameserver
    private let followed = Followed()

    /// The nameservers read last.
    private final class Followed: Sendable {
        private let servers = Mutex<[String]>([])
        private let changed = DispatchSemaphore(value: 0)

        func set(_ list: [Nameserver]) {
            servers.withLock { $0 = list.map { "\($0.address.address)" } }
            changed.signal()
        }

        /// Waits until exactly these are in force.
        func wait(for list: [String]) -> Bool {
            let end = DispatchTime.now() + .seconds(10)
            while servers.withLock({ $0 != list }) {
                guard changed.wait(timeout: end) == .success else { return false }
            }
            return true
        }
    }

    init() throws {
        var template = Array("/tmp/ringway-resolver-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TestFailure("mkdtemp: \(errno)") }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        first = try ScriptedNameserver(on: IPv4Address(127, 0, 0, 2)) { query, _ in
            [.message(MessageBuilder.answer(to: query, records: [(1, [10, 0, 0, 1])]))]
        }
        second = try ScriptedNameserver(on: IPv4Address(127, 0, 0, 3), port: first.address.port) { query, _ in
            [.message(MessageBuilder.answer(to: query, records: [(1, [10, 0, 0, 2])]))]
        }
    }

    deinit {
        first.stop()
        second.stop()
        Self.removeTree(directory)
    }

    private static func removeTree(_ path: String) {
        if unlink(path) == 0 { return }
        if let stream = opendir(path) {
            while let entry = readdir(stream) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != ".", name != ".." { removeTree(path + "/" + name) }
            }
            closedir(stream)
        }
        rmdir(path)
    }

    private func write(_ text: String, to path: String) {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        _ = Glibc.write(file, text, text.utf8.count)
        close(file)
    }

    /// As network managers do: a new file replaces the old one.
    private func replace(_ path: String, with text: String) {
        write(text, to: path + ".new")
        rename(path + ".new", path)
    }

    private func resolver(following path: String) throws -> Resolver {
        var configuration = Resolver.Configuration()
        configuration.resolvConfPath = path
        configuration.resolvConfPort = first.address.port
        configuration.serversFollowed = { [followed] in followed.set($0) }
        configuration.limits.retryInterval = .seconds(2)
        return try Resolver(configuration)
    }

    private func whoAnswers(_ shard: ShardSide) -> UInt8? {
        shard.ask(MessageBuilder.query("a.test")).flatMap { MessageBuilder.answers($0).first?.data.last }
    }

    @Test func `A file that is replaced by rename is followed, again and again`() throws {
        let path = directory + "/resolv.conf"
        write("nameserver 127.0.0.2\n", to: path)
        let shard = ShardSide(datagramsOf: try resolver(following: path))
        #expect(whoAnswers(shard) == 1)
        for round in 0..<6 {
            let server = round % 2 == 0 ? 3 : 2
            replace(path, with: "nameserver 127.0.0.\(server)\n")
            #expect(followed.wait(for: ["127.0.0.\(server)"]))
            #expect(whoAnswers(shard) == UInt8(server - 1))
        }
    }

    @Test func `A file that is written in place is followed`() throws {
        let path = directory + "/resolv.conf"
        write("nameserver 127.0.0.2\n", to: path)
        let shard = ShardSide(datagramsOf: try resolver(following: path))
        #expect(whoAnswers(shard) == 1)
        write("nameserver 127.0.0.3\n", to: path)
        #expect(followed.wait(for: ["127.0.0.3"]))
        #expect(whoAnswers(shard) == 2)
    }

    @Test func `A file that vanishes stays in force until it comes back`() throws {
        let path = directory + "/resolv.conf"
        write("nameserver 127.0.0.2\n", to: path)
        let resolver = try resolver(following: path)
        let shard = ShardSide(datagramsOf: resolver)
        #expect(whoAnswers(shard) == 1)
        let reads = resolver.statistics().resolvConfReads
        unlink(path)
        #expect(followed.wait(for: ["127.0.0.2"]))
        while resolver.statistics().resolvConfReads == reads { #expect(whoAnswers(shard) == 1) }
        #expect(whoAnswers(shard) == 1)
        write("nameserver 127.0.0.3\n", to: path)
        #expect(followed.wait(for: ["127.0.0.3"]))
        #expect(whoAnswers(shard) == 2)
    }

    @Test func `A file that was never there is followed when it comes, with its directories`() throws {
        let path = directory + "/run/systemd/resolv.conf"
        let shard = ShardSide(datagramsOf: try resolver(following: path))
        #expect(followed.wait(for: ["127.0.0.1"]))
        mkdir(directory + "/run", 0o755)
        mkdir(directory + "/run/systemd", 0o755)
        write("nameserver 127.0.0.3\n", to: path)
        #expect(followed.wait(for: ["127.0.0.3"]))
        #expect(whoAnswers(shard) == 2)
    }

    @Test func `The target of a link is followed, in whichever directory it changes`() throws {
        mkdir(directory + "/etc", 0o755)
        mkdir(directory + "/run", 0o755)
        let path = directory + "/etc/resolv.conf"
        write("nameserver 127.0.0.2\n", to: directory + "/run/stub.conf")
        symlink("../run/stub.conf", path)
        let shard = ShardSide(datagramsOf: try resolver(following: path))
        #expect(whoAnswers(shard) == 1)

        replace(directory + "/run/stub.conf", with: "nameserver 127.0.0.3\n")
        #expect(followed.wait(for: ["127.0.0.3"]))
        #expect(whoAnswers(shard) == 2)

        // The link itself is replaced.
        write("nameserver 127.0.0.2\n", to: directory + "/run/other.conf")
        symlink(directory + "/run/other.conf", path + ".new")
        rename(path + ".new", path)
        #expect(followed.wait(for: ["127.0.0.2"]))

        // The new target's directory is removed and recreated.
        unlink(directory + "/run/other.conf")
        unlink(directory + "/run/stub.conf")
        rmdir(directory + "/run")
        mkdir(directory + "/run", 0o755)
        write("nameserver 127.0.0.3\n", to: directory + "/run/other.conf")
        #expect(followed.wait(for: ["127.0.0.3"]))
        #expect(whoAnswers(shard) == 2)
    }

    @Test func `A link in the middle of the path is followed`() throws {
        mkdir(directory + "/one", 0o755)
        mkdir(directory + "/two", 0o755)
        write("nameserver 127.0.0.2\n", to: directory + "/one/resolv.conf")
        write("nameserver 127.0.0.3\n", to: directory + "/two/resolv.conf")
        symlink("one", directory + "/data")
        let shard = ShardSide(datagramsOf: try resolver(following: directory + "/data/resolv.conf"))
        #expect(whoAnswers(shard) == 1)
        symlink("two", directory + "/data.new")
        rename(directory + "/data.new", directory + "/data")
        #expect(followed.wait(for: ["127.0.0.3"]))
        #expect(whoAnswers(shard) == 2)
    }

    @Test func `A change loses no query in flight`() throws {
        let path = directory + "/resolv.conf"
        // Does not answer until released, so that the query is in flight while the file changes.
        let released = Mutex(false)
        let slow = try ScriptedNameserver(on: IPv4Address(127, 0, 0, 4), port: first.address.port) { query, _ in
            released.withLock { $0 } ? [.message(MessageBuilder.answer(to: query, records: [(1, [10, 0, 0, 4])]))] : []
        }
        write("nameserver 127.0.0.4\n", to: path)
        let shard = ShardSide(datagramsOf: try resolver(following: path))
        shard.sendDatagram(MessageBuilder.query("a.test"), tag: 1)
        defer { slow.stop() }
        while slow.queries.isEmpty { _ = poll(nil, 0, 1) }
        replace(path, with: "nameserver 127.0.0.2\n")
        #expect(followed.wait(for: ["127.0.0.2"]))
        shard.sendDatagram(MessageBuilder.query("b.test"), tag: 2)
        let new = try #require(shard.receiveDatagram())
        #expect(new.tag == ShardSide.tag(2))
        released.withLock { $0 = true }
        let old = try #require(shard.receiveDatagram())
        #expect(old.tag == ShardSide.tag(1))
        #expect(MessageBuilder.answers(old.answer).first?.data == [10, 0, 0, 4])
    }

    @Test func `Options of the file are used: rotation goes through all servers`() throws {
        let path = directory + "/resolv.conf"
        write("nameserver 127.0.0.2\nnameserver 127.0.0.3\noptions rotate\n", to: path)
        let shard = ShardSide(datagramsOf: try resolver(following: path))
        let answers = (0..<6).map { _ in whoAnswers(shard) }
        #expect(answers.filter { $0 == 1 }.count == 3)
        #expect(answers.filter { $0 == 2 }.count == 3)
    }

    @Test func `Options of the file are used: TCP only`() throws {
        let path = directory + "/resolv.conf"
        write("options use-vc\nnameserver 127.0.0.2\n", to: path)
        let shard = ShardSide(datagramsOf: try resolver(following: path))
        #expect(whoAnswers(shard) == 1)
        #expect(whoAnswers(shard) == 1)
        #expect(first.queries.allSatisfy { $0.isStream })
        #expect(first.connectionCount == 1)
    }

    @Test func `Where changes are not notified, the file is read again when it is asked for and old`() throws {
        let path = directory + "/resolv.conf"
        write("nameserver 127.0.0.2\n", to: path)
        let loop = try EventLoop()
        let follower = ResolvConfFollower(path: path, port: 53, loop: loop, isNotified: false, oldAge: 0) { _ in }
        replace(path, with: "nameserver 127.0.0.3\n")
        follower.refreshIfUnwatched()
        #expect(follower.current.servers.map { "\($0.address)" } == ["127.0.0.3:53"])
        let polling = ResolvConfFollower(path: path, port: 53, loop: loop, isNotified: false) { _ in }
        replace(path, with: "nameserver 127.0.0.2\n")
        polling.refreshIfUnwatched()
        #expect(polling.current.servers.map { "\($0.address)" } == ["127.0.0.3:53"])
    }

    @Test func `A file that is followed for its search domains only counts as read, too`() throws {
        let path = directory + "/resolv.conf"
        write("search one.test\n", to: path)
        let search = Mutex<[String]>([])
        var configuration = Resolver.Configuration(upstreams: [first.address])
        configuration.resolvConfPath = path
        configuration.searchFollowed = { domains in search.withLock { $0 = domains } }
        let resolver = try Resolver(configuration)
        defer { resolver.stop() }
        for (reads, domain) in [(1, "one.test"), (2, "two.test")] as [(UInt64, String)] {
            if reads > 1 { replace(path, with: "search \(domain)\n") }
            let deadline = ContinuousClock.now + .seconds(10)
            while search.withLock({ $0 != [domain] }) || resolver.statistics().resolvConfReads < reads,
                ContinuousClock.now < deadline
            {
                _ = poll(nil, 0, 1)
            }
            #expect(search.withLock { $0 } == [domain])
            #expect(resolver.statistics().resolvConfReads >= reads)
        }
    }

    @Test func `A resolver that ends leaves no descriptor open`() throws {
        let path = directory + "/resolv.conf"
        write("nameserver 127.0.0.2\n", to: path)
        // Other suites open and close descriptors meanwhile, but only resolvers of this one have inotify instances.
        func notifiers() -> Int {
            (0..<20_000).filter { number in
                var target = [UInt8](repeating: 0, count: 64)
                let length = readlink("/proc/self/fd/\(number)", &target, target.count)
                return length > 0 && String(decoding: target.prefix(length), as: UTF8.self) == "anon_inode:inotify"
            }.count
        }
        let before = notifiers()
        let resolver = try resolver(following: path)
        #expect(whoAnswers(ShardSide(datagramsOf: resolver)) == 1)
        #expect(notifiers() == before + 1)
        resolver.stop()
        // Whatever still refers to the follower lets go of it in a moment.
        let deadline = ContinuousClock.now + .seconds(10)
        while notifiers() > before, ContinuousClock.now < deadline { usleep(10_000) }
        #expect(notifiers() <= before)
    }

    @Test func `A trail names every entry on the way`() throws {
        mkdir(directory + "/a", 0o755)
        symlink("../b/./link", directory + "/a/conf")
        mkdir(directory + "/b", 0o755)
        symlink(directory + "/target", directory + "/b/link")
        let open = PathTrail(to: directory + "/a/../a//conf")
        #expect(open.file == nil)
        #expect(open.entries[directory] == ["a", "b", "target"])
        #expect(open.entries[directory + "/a"] == ["conf"])
        #expect(open.entries[directory + "/b"] == ["link"])
        write("", to: directory + "/target")
        #expect(PathTrail(to: directory + "/a/conf").file == directory + "/target")
        symlink("loop", directory + "/loop")
        #expect(PathTrail(to: directory + "/loop").file == nil)
    }
}
