import Foundation
import Testing

extension EndToEnd {
    /// The effect of `ringway-agent run --configure` on /etc/resolv.conf. Every agent runs with a copy of /etc, so that
    /// an error cannot damage the machine that runs the tests.
    @Suite("The agent's name servers")
    struct AgentResolverTests {
        private static let before = "nameserver 192.0.2.53\n"

        /// A host, a guest's namespace, and a copy of /etc.
        private struct Scene {
            let bed: TestBed
            let guest: String
            let service: Program
            var etc: String { "\(bed.directory)/etc" }

            init(_ bed: TestBed) throws {
                self.bed = bed
                guest = try bed.makeNamespace("guest")
                service = try bed.start([
                    Machine.ringway, "serve", "--listen", "unix:\(bed.directory)/agent.sock", "--no-control",
                ])
                _ = try bed.runAnywhere(["cp", "-a", "/etc", etc]).requireSuccess()
                _ = try bed.runAnywhere(["rm", "-f", "\(etc)/resolv.conf"]).requireSuccess()
            }

            func write(_ text: String) throws {
                try text.write(toFile: "\(etc)/resolv.conf", atomically: false, encoding: .utf8)
            }

            /// The file in the copy.
            var file: String? {
                FileManager.default.contents(atPath: "\(etc)/resolv.conf").map { String(decoding: $0, as: UTF8.self) }
            }

            /// Starts an agent that ends when its input does, and then prints "ended".
            ///
            /// - Parameters:
            ///   - outer: the namespaces in which the copy is mounted as /etc.
            ///   - inner: the namespaces of them in which the agent runs.
            func start(_ outer: [String], _ inner: [String], options: [String] = []) throws -> Program {
                let agent =
                    [
                        Machine.agent, "run", "--host", "unix:\(bed.directory)/agent.sock", "--configure",
                        "--request-socket", "",
                    ] + options
                let script = """
                    mount --bind "$0" /etc || exit 9
                    "$@" & agent=$!
                    read line; cat /etc/resolv.conf; kill -TERM $agent; wait $agent; echo ended $?
                    """
                let program = try bed.startAnywhere(
                    outer + ["sh", "-c", script, etc] + inner + agent, keepsInput: true)
                try waitUntil("the agent's connection") {
                    guard program.isRunning else { throw TestFailure("no agent: \(program.errors)") }
                    return program.errors.contains("connected to")
                }
                return program
            }

            /// Ends such an agent; returns its /etc/resolv.conf while it ran.
            func end(_ program: Program) throws -> String {
                program.closeInput()
                let outcome = try program.waitForEnd(within: .seconds(20))
                #expect(outcome.output.hasSuffix("ended 0\n"), "\(outcome.output)\(outcome.errors)")
                return outcome.output
            }

            /// As in a separate machine: process 1 has the agent's network and files.
            var machine: [String] {
                [
                    "ip", "netns", "exec", guest, "unshare", "--mount", "--pid", "--fork", "--mount-proc",
                    "--propagation", "private",
                ]
            }
        }

        @Test(
            "are written in a machine of its own, and what was there comes back", arguments: ["file", "link", "none"])
        func machine(before: String) throws {
            try TestBed.use { bed in
                let scene = try Scene(bed)
                let path = "\(scene.etc)/resolv.conf"
                switch before {
                case "file": try scene.write(Self.before)
                case "link":
                    // A dangling link, as left by systemd-resolved.
                    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "../run/stub.conf")
                default: break
                }
                let agent = try scene.start(scene.machine, [])
                #expect(scene.file?.contains("nameserver 192.168.127.1\n") == true)
                #expect(try scene.end(agent).contains("nameserver 192.168.127.1\n"))
                switch before {
                case "file": #expect(scene.file == Self.before)
                case "link":
                    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path) == "../run/stub.conf")
                default: #expect(!FileManager.default.fileExists(atPath: path))
                }
                let left = try FileManager.default.contentsOfDirectory(atPath: scene.etc)
                #expect(left.allSatisfy { !$0.contains("ringway") })
            }
        }

        @Test func `are mounted over the machine's file in "ip netns exec", and nothing is written`() throws {
            try TestBed.use { bed in
                let scene = try Scene(bed)
                try scene.write(Self.before)
                let outer = [
                    "unshare", "--mount", "--propagation", "private", "ip", "netns", "exec", scene.guest,
                ]
                let agent = try scene.start(outer, [])
                #expect(scene.file == Self.before)
                #expect(try scene.end(agent).contains("nameserver 192.168.127.1\n"))
                #expect(scene.file == Self.before)
            }
        }

        @Test func `are left alone, with advice, where the file is shared with another network`() throws {
            try TestBed.use { bed in
                let scene = try Scene(bed)
                try scene.write(Self.before)
                let outer = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--propagation", "private"]
                let agent = try scene.start(outer, ["nsenter", "--net=/run/netns/\(scene.guest)"])
                let advice = agent.errors.split(separator: "\n").filter { $0.contains("name servers are not set") }
                #expect(advice.count == 1 && advice.first?.contains("--resolv-conf FILE") == true)
                #expect(scene.file == Self.before)
                #expect(try scene.end(agent).hasPrefix(Self.before))
                #expect(scene.file == Self.before)
            }
        }

        @Test func `are written at the user's path, in a directory that is made and removed`() throws {
            try TestBed.use { bed in
                let scene = try Scene(bed)
                try scene.write(Self.before)
                let path = "\(bed.directory)/netns/blue/resolv.conf"
                let agent = try scene.start(
                    ["unshare", "--mount", "--propagation", "private"],
                    ["nsenter", "--net=/run/netns/\(scene.guest)"], options: ["--resolv-conf", path])
                let written = FileManager.default.contents(atPath: path) ?? Data()
                #expect(String(decoding: written, as: UTF8.self).contains("nameserver 192.168.127.1\n"))
                #expect(try scene.end(agent).hasPrefix(Self.before))
                #expect(!FileManager.default.fileExists(atPath: "\(bed.directory)/netns"))
            }
        }
    }
}
