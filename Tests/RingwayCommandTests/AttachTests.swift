import Glibc
import Testing

@testable import RingwayCommand

@Suite("ringway attach", .tags(.kernel), .serialized, .enabled(if: RunningProgram.canMakeGuests))
struct AttachTests {
    /// A process in its own network namespace, and the namespace's file.
    private func makeNamespace() throws -> (holder: RunningProgram, process: String, path: String) {
        let holder = try RunningProgram(["unshare", "-n", "sh", "-c", "echo $$; exec sleep 60"])
        let process = try holder.numberSaid()
        return (holder, "\(process)", "/proc/\(process)/ns/net")
    }

    private func enter(_ path: String, _ command: String...) throws -> RunningProgram.Outcome {
        try RunningProgram(["nsenter", "--net=\(path)"] + command).wait()
    }

    /// Starts the bridge and waits until it reports readiness.
    private func attach(_ arguments: String...) throws -> RunningProgram {
        let script = "exec \"$0\" attach --ready-fd 7 \"$@\" 7>&1"
        let bridge = try RunningProgram(["sh", "-c", script, try #require(RunningProgram.ringway)] + arguments)
        try bridge.waitForOutput("ready")
        return bridge
    }

    @Test func `serves the namespace of a process until the process ends`() throws {
        let (holder, process, path) = try makeNamespace()
        let bridge = try attach("--pid", process)
        #expect(try enter(path, "ping", "-n", "-c", "1", "-W", "10", "192.168.127.1").status == 0)
        kill(holder.identifier, SIGKILL)
        #expect(try bridge.wait().status == 0)
    }

    @Test func `serves the namespace of a file until the file is gone`() throws {
        let (holder, _, path) = try makeNamespace()
        let bridge = try attach("--netns", path, "--ifname", "tap3")
        #expect(try enter(path, "ip", "-o", "addr", "show", "tap3").output.contains("192.168.127.2/24"))
        kill(holder.identifier, SIGKILL)
        _ = try holder.wait()
        #expect(try bridge.wait().status == 0)
    }

    @Test func `ends when the interface is deleted`() throws {
        let (holder, _, path) = try makeNamespace()
        let bridge = try attach("--netns", path)
        #expect(try enter(path, "ip", "link", "delete", "eth0").status == 0)
        #expect(try bridge.wait().status == 0)
        withExtendedLifetime(holder) {}
    }

    @Test("ends on a signal, and removes the interface", arguments: [SIGTERM, SIGINT, SIGHUP])
    func endsOnSignal(_ signal: Int32) throws {
        let (holder, _, path) = try makeNamespace()
        let bridge = try attach("--netns", path)
        kill(bridge.identifier, signal)
        #expect(try bridge.wait().status == 0)
        // The kernel closes the last queue once it has freed the ring that was reading it.
        let isGone = "for i in $(seq 600); do ip link show eth0 >/dev/null 2>&1 || exit 0; sleep 0.01; done; exit 1"
        #expect(try enter(path, "sh", "-c", isGone).status == 0)
        withExtendedLifetime(holder) {}
    }

    @Test func `refuses a second interface of the same name`() throws {
        let (holder, _, path) = try makeNamespace()
        let bridge = try attach("--netns", path)
        let second = try RunningProgram.ringway("attach", "--netns", path).wait()
        #expect(second.status == 1)
        #expect(
            second.errors
                == "ringway: cannot attach to \(path): it has an interface eth0 already: --ifname chooses another name\n"
        )
        withExtendedLifetime((holder, bridge)) {}
    }

    @Test(
        "says what is wrong with the namespace",
        arguments: [
            (["--netns", "/nonexistent"], "ringway: cannot open /nonexistent: No such file or directory\n"),
            (["--netns", "/etc/passwd"], "ringway: /etc/passwd is not a network namespace\n"),
            (["--pid", "4194305"], "ringway: cannot watch process 4194305: No such process\n"),
        ])
    func refuses(_ arguments: [String], _ line: String) throws {
        let outcome = try RunningProgram([try #require(RunningProgram.ringway), "attach"] + arguments).wait()
        #expect(outcome.status == 1)
        #expect(outcome.errors == line)
    }
}
