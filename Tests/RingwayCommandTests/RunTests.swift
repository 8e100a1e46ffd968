import Glibc
import Testing

@testable import RingwayCommand

@Suite("ringway run", .tags(.kernel), .serialized, .enabled(if: RunningProgram.canMakeGuests))
struct RunTests {
    private func run(_ arguments: String...) throws -> RunningProgram.Outcome {
        try RunningProgram([try #require(RunningProgram.ringway), "run"] + arguments).wait()
    }

    @Test func `returns what COMMAND returns`() throws {
        #expect(try run("true").status == 0)
        #expect(try run("sh", "-c", "exit 7").status == 7)
        #expect(try run("sh", "-c", "kill -9 $$").status == 137)
    }

    @Test func `fails as a shell does where COMMAND cannot run`() throws {
        let absent = try run("no-such-command-at-all")
        #expect(absent.status == 127)
        #expect(absent.errors == "ringway: cannot run no-such-command-at-all: No such file or directory\n")
        #expect(try run("/etc/passwd").status == 126)
        #expect(try run("/").status == 126)
    }

    @Test("says that it lacks descriptors where it has too few", arguments: Array(stride(from: 14, through: 30, by: 2)))
    func lacksDescriptors(limit: Int) throws {
        let outcome = try RunningProgram(
            ["prlimit", "--nofile=\(limit):\(limit)", try #require(RunningProgram.ringway), "run", "true"]
        ).wait()
        let isExplained = ["Too many open files", "descriptors"].contains { outcome.errors.contains($0) }
        #expect(outcome.status == 0 || isExplained, "\(outcome.errors)")
    }

    @Test func `gives the guest an interface with addresses and routes`() throws {
        let script = """
            ip -o addr show eth0; ip link show eth0; ip route; ip -6 route; ip link show lo
            """
        let outcome = try run(
            "--network", "10.7.0.0/16", "--ipv6-prefix", "fd07::/64", "--mtu", "9000", "sh", "-c", script)
        #expect(outcome.status == 0, "\(outcome.errors)")
        for part in [
            "10.7.0.2/16 brd 10.7.255.255", "fd07::5055:aff:fe07:2/64", "mtu 9000", "qlen 10000", "52:55:0a:07:00:02",
            "default via 10.7.0.1 dev eth0", "default via fe80::1 dev eth0", "LOOPBACK,UP",
        ] {
            #expect(outcome.output.contains(part), "\(part) is missing: \(outcome.output)")
        }
        #expect(!outcome.output.contains("tentative"))
    }

    @Test func `names the interface as asked`() throws {
        #expect(try run("--ifname", "wan7", "sh", "-c", "ip -o link").output.contains("wan7"))
    }

    @Test("reaches the gateway at once", arguments: ["1", "2"])
    func reachesGateway(shards: String) throws {
        let outcome = try run("--shards", shards, "ping", "-n", "-c", "1", "-W", "10", "192.168.127.1")
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
    }

    @Test func `shows a resolv.conf that names the gateway, and leaves the host's alone`() throws {
        let before = ResolverConfiguration.hostContents()
        let outcome = try run("cat", "/etc/resolv.conf")
        #expect(outcome.output.contains("nameserver 192.168.127.1\n"))
        #expect(ResolverConfiguration.hostContents() == before)
    }

    @Test func `leaves no mount behind`() throws {
        // Other tests may mount and unmount beside this one; what matters is what the guest mounts.
        func resolverMounts() throws -> [Substring] {
            try RunningProgram(["cat", "/proc/self/mountinfo"]).wait().output.split(separator: "\n")
                .filter { $0.contains("resolv.conf") }
        }
        let host = try resolverMounts()
        let guest = try RunningProgram.ringway("run", "sh", "-c", "echo up; sleep 30")
        try guest.waitForOutput("up")
        #expect(try resolverMounts() == host)
    }

    @Test(
        "passes signals on to COMMAND",
        arguments: [("TERM", SIGTERM), ("HUP", SIGHUP), ("USR1", SIGUSR1), ("INT", SIGINT)])
    func passesSignals(_ name: String, _ number: Int32) throws {
        let script = "trap 'exit 33' \(name); echo up; while :; do sleep 0.02; done"
        let guest = try RunningProgram.ringway("run", "sh", "-c", script)
        try guest.waitForOutput("up")
        kill(guest.identifier, number)
        #expect(try guest.wait().status == 33)
    }

    @Test func `never outlives the bridge`() throws {
        let guest = try RunningProgram.ringway("run", "sh", "-c", "echo $$; exec sleep 60")
        let command = try guest.numberSaid()
        kill(guest.identifier, SIGKILL)
        #expect(try guest.wait().status == 137)
        for _ in 0..<2_000 where isAlive(command) { usleep(10_000) }
        #expect(!isAlive(command))
    }

    private func isAlive(_ process: pid_t) -> Bool {
        guard let state = Setting("/proc/\(process)/stat").text?.split(separator: ")").last else { return false }
        return state.first { $0 != " " } != "Z"
    }

    @Test func `gives COMMAND its caller's limits, signals and descriptors`() throws {
        let look = "ulimit -Sn; grep -E 'Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l"
        let script = "ulimit -Sn 300; \(look); exec \"$0\" run sh -c \"\(look)\""
        let path = try #require(RunningProgram.ringway)
        let lines = try RunningProgram(["sh", "-c", script, path]).wait().output.split(separator: "\n")
        try #require(lines.count == 8)
        #expect(lines[0] == "300")
        #expect(lines[..<4].elementsEqual(lines[4...]), "\(lines)")
    }

    @Test func `says when it is ready, on a descriptor that COMMAND does not see`() throws {
        let script = "\"$0\" run --ready-fd 7 sh -c 'test -e /proc/self/fd/7 && echo leaked; true' 7>&1"
        let outcome = try RunningProgram(["sh", "-c", script, try #require(RunningProgram.ringway)]).wait()
        #expect(outcome.output == "ready\n")
    }

    @Test func `keeps the counters in a file`() throws {
        let path = "/tmp/ringway-statistics-\(getpid()).json"
        defer { unlink(path) }
        #expect(try run("--statistics", path, "ping", "-c", "1", "-W", "10", "192.168.127.1").status == 0)
        let text = try RunningProgram(["cat", path]).wait().output
        #expect(text.hasPrefix("{\"") && text.hasSuffix("}\n"))
        #expect(access("\(path).new", F_OK) != 0)
    }

    @Test func `fails with 125 and one line when the failure is its own`() throws {
        for arguments in [
            ["--capture", "/nonexistent/file"], ["--statistics", "/nonexistent/file"], ["-p", "192.0.2.1:7:7"],
        ] {
            let outcome = try RunningProgram(
                [try #require(RunningProgram.ringway), "run"] + arguments + ["echo", "started"]
            ).wait()
            #expect(outcome.status == 125)
            #expect(outcome.output == "", "COMMAND must not have run")
            #expect(outcome.errors.hasPrefix("ringway: ") && outcome.errors.count { $0 == "\n" } == 1)
        }
    }

    @Test func `starts a guest within a second`() throws {
        let clock = ContinuousClock()
        // The best of some: what else the machine does meanwhile is not asked.
        var best = Duration.seconds(60)
        for _ in 0..<10 where best >= .seconds(1) { best = min(best, try clock.measure { _ = try run("true") }) }
        #expect(best < .seconds(1))
    }
}

@Suite("ringway run as an ordinary user", .tags(.kernel), .serialized, .enabled(if: RunningProgram.canMakeGuests))
struct OrdinaryUserTests {
    /// Runs `ringway` as nobody. The device is one that everybody may open, in a mount namespace of the test's.
    private func nobody(_ arguments: String..., device: String = "666") throws -> RunningProgram.Outcome {
        let script = """
            mount -t tmpfs tmpfs /dev/net && mknod -m \(device) /dev/net/tun c 10 200 && cd / &&
            exec env -u XDG_RUNTIME_DIR setpriv --reuid=65534 --regid=65534 --clear-groups "$0" "$@"
            """
        let path = try #require(RunningProgram.ringway)
        return try RunningProgram(["unshare", "-m", "sh", "-c", script, path] + arguments).wait()
    }

    @Test func `is root in the namespaces and only there`() throws {
        let outcome = try nobody("run", "--", "sh", "-c", "id -u; ip -o -4 addr show eth0; touch /etc/x 2>&1; exit 5")
        #expect(outcome.status == 5, "\(outcome.errors)")
        #expect(outcome.output.hasPrefix("0\n"))
        #expect(outcome.output.contains("192.168.127.2/24"))
        #expect(outcome.output.contains("Read-only file system"))
    }

    @Test func `reaches the gateway`() throws {
        #expect(try nobody("run", "ping", "-n", "-c", "1", "-W", "10", "192.168.127.1").status == 0)
    }

    @Test func `has no control socket without a place for it, and hears of it only where one was asked for`() throws {
        let silent = try nobody("run", "--", "sh", "-c", "echo up")
        #expect(silent.status == 0 && silent.output == "up\n" && silent.errors == "")
        let named = try nobody("run", "--name", "blue", "--", "sh", "-c", "echo up")
        #expect(named.status == 125 && named.output == "")
        #expect(named.errors == "ringway: XDG_RUNTIME_DIR is not set: --control PATH names another place\n")
        let elsewhere = try nobody("run", "--control", "/nonexistent/socket", "--", "true")
        #expect(elsewhere.status == 125 && elsewhere.errors.contains("/nonexistent/socket"))
    }

    @Test func `is told where to look when the device is closed`() throws {
        let outcome = try nobody("run", "true", device: "600")
        #expect(outcome.status == 125)
        #expect(
            outcome.errors == """
                ringway: cannot open /dev/net/tun: Permission denied; "ringway doctor" says how to mend it

                """)
    }

    @Test func `hears from the doctor what is missing`() throws {
        #expect(try nobody("doctor").status == 0)
        let outcome = try nobody("doctor", device: "600")
        #expect(outcome.status == 1)
        #expect(outcome.output.contains("chmod 0666 /dev/net/tun"))
    }
}
