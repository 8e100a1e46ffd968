import Foundation
import Testing

extension EndToEnd {
    @Suite("ringway run")
    struct CommandTests {
        struct Ending: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let arguments: [String]
            let status: Int32
            let errors: String
        }

        static let endings = [
            Ending(testDescription: "success", arguments: ["run", "--", "true"], status: 0, errors: ""),
            Ending(
                testDescription: "COMMAND's failure", arguments: ["run", "--", "sh", "-c", "exit 42"], status: 42,
                errors: ""),
            Ending(
                testDescription: "COMMAND's signal", arguments: ["run", "--", "sh", "-c", "kill -KILL $$"], status: 137,
                errors: ""),
            Ending(
                testDescription: "COMMAND not found", arguments: ["run", "--", "no-such-program"], status: 127,
                errors: "ringway: cannot run no-such-program: No such file or directory\n"),
            Ending(
                testDescription: "COMMAND not executable", arguments: ["run", "--", "/etc/passwd"], status: 126,
                errors: "ringway: cannot run /etc/passwd: Permission denied\n"),
            Ending(
                testDescription: "a usage error", arguments: ["run", "--mtu", "9", "--", "true"], status: 2,
                errors: "ringway: "),
            Ending(
                testDescription: "a namespace that is not there",
                arguments: ["attach", "--netns", "/run/netns/no-such-namespace"], status: 1, errors: "ringway: "),
        ]

        @Test("ends with the status that was promised, and one line at most", arguments: endings)
        func endsWithStatus(_ ending: Ending) throws {
            try TestBed.use { bed in
                let outcome = try bed.ringway(ending.arguments)
                #expect(outcome.status == ending.status)
                #expect(outcome.errors.hasPrefix(ending.errors))
                #expect(outcome.errors.filter { $0 == "\n" }.count == (ending.errors.isEmpty ? 0 : 1))
            }
        }

        @Test func `hands standard input, output and the directory on`() throws {
            try TestBed.use { bed in
                let script =
                    "cd /usr/share && printf 'one\\ntwo\\n' | \(Machine.ringway) run -- sh -c 'pwd; cat; echo >&2 three'"
                let outcome = try bed.run(["sh", "-c", script])
                #expect(outcome.output == "/usr/share\none\ntwo\n")
                #expect(outcome.errors == "three\n")
            }
        }

        @Test("passes signals on to COMMAND", arguments: [SIGTERM, SIGINT, SIGHUP, SIGUSR1])
        func passesSignals(_ signal: Int32) throws {
            try TestBed.use { bed in
                let program = try bed.start([
                    Machine.ringway, "run", "--", "python3", Machine.program("signals.py"),
                ])
                try program.waitForOutput("waiting")
                program.send(signal)
                let outcome = try program.waitForEnd(within: .seconds(10))
                #expect(outcome.output == "waiting\nsignal \(signal)\n")
                #expect(outcome.status == 7)
            }
        }

        @Test func `ends COMMAND when it is killed itself`() throws {
            try TestBed.use { bed in
                let guest = try Guest(bed, shards: 1)
                let program = try guest.start(["cat", "/proc/self/ns/net"])
                _ = try program.waitForEnd()
                let command = guest.command
                guest.bridge.send(SIGKILL)
                #expect(try guest.bridge.waitForEnd(within: .seconds(10)).status == 137)
                try waitUntil("COMMAND's end") { kill(command, 0) != 0 }
            }
        }

        @Test func `denies guests the host's loopback with --no-host-loopback`() throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("files.py"), ["8080"])
                let fetch = ["curl", "-sS", "--max-time", "3", "-o", "/dev/null", "http://192.168.127.254:8080/10"]
                #expect(try bed.ringway(["run", "--"] + fetch).status == 0)
                #expect(try bed.ringway(["run", "--no-host-loopback", "--"] + fetch).status != 0)
                #expect(try bed.ringway(["run", "--deny", "192.168.127.254/32", "--"] + fetch).status != 0)
            }
        }

        @Test("works for a user without privilege", arguments: shards)
        func worksWithoutPrivilege(shards: Int) throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("files.py"), ["8080"])
                // Copies, because the user may be unable to read the build directory; and a device of the test's own,
                // because some machines restrict theirs to root.
                let binary = "\(bed.directory)/ringway"
                let device = "\(bed.directory)/tun"
                _ = try bed.runAnywhere(["cp", Machine.ringway, binary]).requireSuccess()
                _ = try bed.runAnywhere(["chmod", "755", binary]).requireSuccess()
                _ = try bed.runAnywhere(["mknod", "-m", "666", device, "c", "10", "200"]).requireSuccess()
                let outcome = try bed.run([
                    "unshare", "--mount", "sh", "-c", "mount --bind \"$0\" /dev/net/tun && exec setpriv \"$@\"", device,
                    "--reuid=65534", "--regid=65534", "--clear-groups", binary, "run", "--shards", "\(shards)", "--",
                    "sh", "-c",
                    "curl -sS --max-time 20 http://host.ringway.internal:8080/1000000 | wc -c && ping -qc1 192.168.127.1",
                ])
                #expect(outcome.status == 0, "\(outcome.errors)")
                #expect(outcome.output.hasPrefix("1000000\n"))
            }
        }

        @Test func `attach serves an existing namespace until a signal ends it`() throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("files.py"), ["8080"])
                let namespace = try bed.makeNamespace("guest")
                let bridge = try bed.start([
                    "sh", "-c",
                    "exec \(Machine.ringway) attach --netns /run/netns/\(namespace) --ready-fd 3 3>\(bed.directory)/ready",
                ])
                try waitUntil("the network") {
                    FileManager.default.contents(atPath: "\(bed.directory)/ready") == Data("ready\n".utf8)
                }
                let answer = try bed.run(
                    ["curl", "-sS", "--max-time", "10", "http://192.168.127.254:8080/10"], in: namespace)
                #expect(answer.output.utf8.count == 10 || !answer.output.isEmpty)
                bridge.send(SIGTERM)
                #expect(try bridge.waitForEnd(within: .seconds(10)).status == 0)
                // The kernel closes the last queue once it has freed the ring that was reading it.
                try waitUntil("the end of the interface") {
                    try !bed.run(["ip", "-o", "link", "show"], in: namespace).output.contains("eth0")
                }
            }
        }

        @Test func `a crash writes nothing of the memory to the log`() throws {
            try TestBed.use { bed in
                let program = try bed.start([
                    "env", "-u", "SWIFT_BACKTRACE", Machine.ringway, "serve", "--no-control", "--listen",
                    "qemu:\(bed.directory)/q",
                ])
                try waitUntil("the network") { program.errors.contains("listening") }
                program.send(SIGSEGV)
                let outcome = try program.waitForEnd(within: .seconds(30))
                #expect(outcome.status == 128 + SIGSEGV)
                #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors.prefix(500))")
            }
        }

        @Test func `doctor finds that run works here`() throws {
            try TestBed.use { bed in
                let report = try bed.ringway(["doctor"])
                #expect(report.status == 0, "\(report.output)")
            }
        }
    }
}
