import Foundation
import Testing

extension EndToEnd {
    /// Changes of the host's files while a guest of `run` exists. The host of these tests is a mount namespace whose
    /// `/etc` and `/run` are copies, or a whole root directory of its own.
    @Suite("Files of the host")
    struct HostFileTests {
        enum User: CaseIterable, CustomTestStringConvertible {
            case root, ordinary
            var testDescription: String { self == .root ? "root" : "an ordinary user" }
        }

        struct Change: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let script: String

            init(_ description: String, _ script: String) {
                testDescription = description
                self.script = script
            }
        }

        /// One after another, on one guest.
        static let changes = [
            Change(
                "replaced by rename",
                "echo nameserver 127.0.0.53 >/etc/resolv.conf.new; mv /etc/resolv.conf.new /etc/resolv.conf"),
            Change(
                "replaced by rename from elsewhere",
                "echo nameserver 127.0.0.54 >/etc/other; mv /etc/other /etc/resolv.conf"),
            Change("removed", "rm /etc/resolv.conf"),
            Change("there again", "echo nameserver 127.0.0.55 >/etc/resolv.conf"),
            Change("a link that dangles", "ln -sf nowhere /etc/resolv.conf"),
            Change(
                "a link to a file",
                "mkdir /run/one; echo nameserver 127.0.0.56 >/run/one/file; ln -sfn ../run/one/file /etc/resolv.conf"),
            Change(
                "a link whose target is replaced",
                "echo nameserver 127.0.0.57 >/run/one/new; mv /run/one/new /run/one/file"),
            Change(
                "a link into a directory that is replaced whole",
                "mkdir /run/two; echo nameserver 127.0.0.58 >/run/two/file; rm -r /run/one; mv /run/two /run/one"),
            Change(
                "a link that leads elsewhere",
                "echo nameserver 127.0.0.59 >/run/other; ln -sfn /run/other /etc/resolv.conf"),
            Change("written in place", "echo nameserver 127.0.0.60 >/run/other"),
        ]

        @Test("never take the guest's resolv.conf away", arguments: User.allCases)
        func keepTheGuestsOwn(user: User) throws {
            try TestBed.use { bed in
                let stage = try Stage(bed, user)
                #expect(try stage.seen() == Stage.own)
                for change in Self.changes {
                    try stage.host(change.script)
                    // The guest's file must not disappear even for a moment.
                    if user == .ordinary { #expect(try stage.seen() == Stage.own, "\(change.testDescription)") }
                    try waitUntil(
                        "the guest's own file, the host's being \(change.testDescription)", within: .seconds(5)
                    ) {
                        try stage.seen() == Stage.own
                    }
                }
                let answer = try stage.guest(["getent", "ahostsv4", "host.ringway.internal"])
                #expect(answer.output.hasPrefix("192.168.127.254 "), "\(answer.errors)")
                #expect(try stage.host("cat /etc/resolv.conf").output == "nameserver 127.0.0.60\n")
            }
        }

        @Test func `are never seen by an ordinary user's guest, however often they are replaced`() throws {
            try TestBed.use { bed in
                let stage = try Stage(bed, .ordinary)
                let reader = try stage.startInGuest([
                    "python3", "-c",
                    "import time; end = time.time() + 2; seen = set(); print('reading', flush=True)\n"
                        + "while time.time() < end: seen.add(open('/etc/resolv.conf').read())\nprint(seen)",
                ])
                try reader.waitForOutput("reading")
                try stage.host(
                    "for i in $(seq 200); do echo nameserver 127.0.0.53 >/etc/x; mv /etc/x /etc/resolv.conf; "
                        + "rm /etc/resolv.conf; ln -s /nowhere /etc/resolv.conf; done")
                let outcome = try reader.waitForEnd()
                #expect(
                    outcome.output.hasSuffix("{\(String(reflecting: Stage.own).replacing("\"", with: "'"))}\n"),
                    "\(outcome.output)\(outcome.errors)")
            }
        }

        @Test("that are missing at the start are of no meaning to the guest", arguments: User.allCases)
        func mayBeMissing(user: User) throws {
            try TestBed.use { bed in
                let stage = try Stage(bed, user, prepare: "rm -f /etc/resolv.conf")
                #expect(try stage.seen() == Stage.own)
                #expect(try stage.host("test -e /etc/resolv.conf").status == 1, "nothing of the host's is written")
                try stage.host("echo nameserver 127.0.0.53 >/etc/resolv.conf")
                try waitUntil("the guest's own file", within: .seconds(5)) { try stage.seen() == Stage.own }
            }
        }

        @Test("are followed in everything else", arguments: User.allCases)
        func areFollowed(user: User) throws {
            try TestBed.use { bed in
                let stage = try Stage(bed, user, prepare: "mkdir /etc/sub; ln -s ../run/linked /etc/linked")
                try stage.host(
                    "echo one >/etc/new; echo two >/etc/sub/file; echo three >/run/linked; echo '192.0.2.7 late' >>/etc/hosts"
                )
                func text(_ path: String) throws -> String { try stage.guest(["cat", path]).output }
                try waitUntil("the host's new file", within: .seconds(5)) { try text("/etc/new") == "one\n" }
                #expect(try text("/etc/sub/file") == "two\n")
                #expect(try text("/etc/linked") == "three\n")
                #expect(try stage.guest(["getent", "hosts", "late"]).output.hasPrefix("192.0.2.7 "))
                try stage.host("echo four >/etc/fresh; mv /etc/fresh /etc/new")
                #expect(try text("/etc/new") == "four\n")
                try stage.host("rm /etc/new")
                try waitUntil("its end", within: .seconds(5)) {
                    try stage.guest(["test", "-e", "/etc/new"]).status == 1
                }
            }
        }

        @Test func `that root adds in the guest are the host's`() throws {
            try TestBed.use { bed in
                let stage = try Stage(bed, .root)
                _ = try stage.guest(["sh", "-c", "echo kept >/etc/x && mv /etc/x /etc/added"]).requireSuccess()
                #expect(try stage.host("cat /etc/added").output == "kept\n")
            }
        }

        @Test("by which the C library would ask the host's resolver stay hidden", arguments: User.allCases)
        func hideSockets(user: User) throws {
            try TestBed.use { bed in
                let stage = try Stage(
                    bed, user, prepare: "mkdir -p /run/systemd/resolve; touch /run/systemd/resolve/early")
                func entries(_ path: String) throws -> String { try stage.guest(["ls", "-A", path]).output }
                #expect(try entries("/run/systemd/resolve") == "")
                try stage.host("touch /run/systemd/resolve/io.systemd.Resolve; mkdir /run/nscd; touch /run/nscd/socket")
                #expect(try entries("/run/systemd/resolve") == "")
                try waitUntil("nscd's hiding", within: .seconds(5)) { try entries("/run/nscd") == "" }
                try stage.host("rm -r /run/systemd; mkdir -p /run/systemd/resolve; touch /run/systemd/resolve/late")
                try waitUntil("the resolver's hiding", within: .seconds(5)) {
                    try entries("/run/systemd/resolve") == ""
                }
            }
        }

        @Test("may be mounted over the entry, and replaced where they come from", arguments: User.allCases)
        func mayBeMounted(user: User) throws {
            try TestBed.use { bed in
                let stage = try Stage(
                    bed, user,
                    prepare: "echo nameserver 127.0.0.53 >/run/source; mount --bind /run/source /etc/resolv.conf")
                #expect(try stage.seen() == Stage.own)
                try stage.host("echo nameserver 127.0.0.54 >/run/new; mv /run/new /run/source")
                try waitUntil("the guest's own file", within: .seconds(5)) { try stage.seen() == Stage.own }
                #expect(try stage.host("cat /etc/resolv.conf").output == "nameserver 127.0.0.53\n")
            }
        }

        @Test func `need no directory for temporary files, and may be replaced with all of etc`() throws {
            try TestBed.use { bed in
                let stage = try Stage(bed, .root, ownRoot: true)
                #expect(try stage.seen() == Stage.own)
                try stage.host(
                    "cp -a /etc /fresh; echo nameserver 127.0.0.53 >/fresh/resolv.conf; mv /etc /old; mv /fresh /etc")
                try waitUntil("the guest's own file", within: .seconds(5)) { try stage.seen() == Stage.own }
                try stage.host("rm -r /old")
                #expect(try stage.seen() == Stage.own)
            }
        }
    }
}

/// A guest of `run` on a host whose files a test may change.
private final class Stage {
    /// The guest's `resolv.conf`.
    static let own = "# Made by ringway for this network namespace.\nnameserver 192.168.127.1\n"

    private let bed: TestBed
    private let bridge: Program
    private var command: pid_t = 0
    /// The prefix of the host's command lines.
    private let enter: [String]

    /// - Parameters:
    ///   - prepare: commands that the host runs before.
    ///   - ownRoot: whether the host has a root directory of its own, without `/tmp`.
    init(_ bed: TestBed, _ user: EndToEnd.HostFileTests.User, prepare: String = ":", ownRoot: Bool = false) throws {
        self.bed = bed
        let room = bed.directory + "/host"
        var script =
            "set -e; mkdir \(room); mount -t tmpfs none \(room); cd \(room); mkdir etc run tun upper work root; "
        if ownRoot {
            script +=
                "mknod upper/tmp c 0 0; mount -t overlay none -o lowerdir=/,upperdir=upper,workdir=work root; cp \(Machine.ringway) root/ringway; "
                + "mount --rbind /dev root/dev; mount -t proc proc root/proc; mkdir -p root/run; "
        } else {
            script +=
                "cp -a /etc/. etc/; rm -f etc/resolv.conf; cp \(Machine.ringway) ringway; chmod 755 ringway; "
                + "mknod -m 666 tun/tun c 10 200; mount --bind tun/tun /dev/net/tun; "
                + "mount --bind etc /etc; mount --bind run /run; "
        }
        let place = ownRoot ? "root" : ""
        script += "echo nameserver 127.0.0.1 >\(place)/etc/resolv.conf; \(prepare); "
        script += ownRoot ? "exec chroot root /ringway" : "exec "
        if !ownRoot {
            if user == .ordinary { script += "setpriv --reuid=65534 --regid=65534 --clear-groups " }
            script += "\(room)/ringway"
        }
        script += " run -- cat"
        bridge = try bed.start(["unshare", "--mount", "sh", "-c", script], keepsInput: true)
        enter = ["nsenter", "-t", "\(bridge.identifier)", "-m"] + (ownRoot ? ["-r"] : []) + ["--"]
        try waitUntil("COMMAND") {
            guard bridge.isRunning else { throw TestFailure("the bridge ended: \(bridge.errors)") }
            let path = "/proc/\(bridge.identifier)/task/\(bridge.identifier)/children"
            let children = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
            for child in children.split(separator: " ").compactMap({ pid_t($0) })
            where FileManager.default.contents(atPath: "/proc/\(child)/comm") == Data("cat\n".utf8) {
                command = child
                return true
            }
            return false
        }
    }

    @discardableResult
    func host(_ script: String) throws -> Program.Outcome {
        try bed.runAnywhere(enter + ["sh", "-c", script])
    }

    func startInGuest(_ arguments: [String]) throws -> Program {
        try bed.startAnywhere(["nsenter", "-t", "\(command)", "-n", "-m", "-r", "--"] + arguments)
    }

    func guest(_ arguments: [String]) throws -> Program.Outcome { try startInGuest(arguments).waitForEnd() }

    func seen() throws -> String { try guest(["cat", "/etc/resolv.conf"]).output }
}
