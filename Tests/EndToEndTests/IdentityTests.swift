import Foundation
import Testing

extension EndToEnd {
    /// The identity of a guest: determined by its link, if that is reserved, and not by its own claims.
    @Suite("Identity of guests")
    struct IdentityTests {
        private static let web = "52:54:00:00:0b:01"

        /// A guest that only sends a first frame, on a link.
        private static func pretend(_ bed: TestBed, _ mac: String, at name: String) throws -> Program {
            let program = try bed.start([
                "python3", Machine.program("hostile.py"), "\(bed.directory)/\(name)", mac, "192.168.127.2", web,
                "192.168.127.9", "wait",
            ])
            try program.waitForOutput("attacking")
            return program
        }

        /// `serve` with a reserved link and an open one, and a published port of the reserved one's guest.
        private static func serve(_ bed: TestBed, terms: String, leases: String = "[]") throws -> Service {
            let configuration = bed.directory + "/serve.yaml"
            try """
            listen: ["qemu:\(bed.directory)/web\(terms)", "qemu:\(bed.directory)/open"]
            publish: ["web=8001:80"]
            leases: \(leases)
            """.write(toFile: configuration, atomically: true, encoding: .utf8)
            return try Service(bed, ["--config", configuration])
        }

        /// The true machine is attached, and clients of the published port reach it.
        private static func comeAsWeb(_ bed: TestBed) throws {
            let machine = try VirtualMachine(bed, "web")
            try machine.plug("qemu:\(bed.directory)/web", web)
            try machine.configure()
            _ = try bed.start(["python3", "-m", "http.server", "80"], in: machine.namespace)
            try bed.waitForListener(at: 80, in: machine.namespace)
            _ = try bed.run(["curl", "-sSf", "--max-time", "5", "-o", "/dev/null", "http://127.0.0.1:8001/"])
                .requireSuccess()
        }

        @Test(
            "is that of a bound link, even if another guest had its ethernet address first",
            arguments: [
                (",guest=web", "[{mac: \"52:54:00:00:0b:01\", name: web}]"),
                (",guest=web,mac=52:54:00:00:0b:01", "[]"),
            ])
        func bound(terms: String, leases: String) throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed, terms: terms, leases: leases)
                let liar = try Self.pretend(bed, Self.web, at: "open")
                try service.waitForLine("\(Self.web) may connect only by qemu:\(bed.directory)/web")
                _ = try liar.waitForEnd()
                let stranger = try Self.pretend(bed, "52:54:00:00:0b:02", at: "web")
                try service.waitForLine("52:54:00:00:0b:02 is another machine")
                _ = try stranger.waitForEnd()
                #expect(
                    try bed.run(["curl", "-sS", "--max-time", "5", "http://127.0.0.1:8001/"]).status == 7)
                try Self.comeAsWeb(bed)
            }
        }

        @Test func `is that of the link which its lease names`() throws {
            try TestBed.use { bed in
                let service = try Self.serve(
                    bed, terms: "",
                    leases: "[{mac: \"\(Self.web)\", name: web, link: \"qemu:\(bed.directory)/web\"}]")
                let liar = try Self.pretend(bed, Self.web, at: "open")
                try service.waitForLine("\(Self.web) may connect only by qemu:\(bed.directory)/web")
                _ = try liar.waitForEnd()
                try Self.comeAsWeb(bed)
            }
        }

        @Test func `is remembered of a machine whose link gives it a name alone`() throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed, terms: ",guest=web")
                let machine = try VirtualMachine(bed, "before")
                try machine.plug("qemu:\(bed.directory)/web", Self.web)
                try machine.configure()
                try machine.kill()
                try service.waitForLine("is gone")
                let liar = try Self.pretend(bed, Self.web, at: "open")
                try service.waitForLine("may connect only by")
                _ = try liar.waitForEnd()
                try Self.comeAsWeb(bed)
            }
        }

        private struct Forwards: Decodable {
            struct Forward: Decodable {
                let state: String
                let guest: String?
            }
            let forwards: [Forward]
        }

        @Test("of an agent's guest is not the name that it gives itself", arguments: [false, true])
        func agents(trusts: Bool) throws {
            try TestBed.use { bed in
                let control = "\(bed.directory)/control"
                let pair = try AgentPair(
                    bed,
                    [
                        "--control", control, "-p", "web=127.0.0.1:8081:80", "--forward",
                        "web/127.0.0.1:8082=tcp:127.0.0.1:80",
                    ] + (trusts ? ["--trust-agent-names"] : []),
                    agentOptions: ["--name", "web"])
                let guests = try bed.ringway(["guests", "--control", control]).requireSuccess()
                #expect(guests.contains("web"), "\(guests)")
                let text = try bed.ringway(["publish", "ls", "--json", "--control", control]).requireSuccess()
                let forwards = try JSONDecoder().decode(Forwards.self, from: Data(text.utf8)).forwards
                #expect(forwards.count == 2)
                #expect(forwards.allSatisfy { $0.state == (trusts ? "active" : "waiting") }, "\(text)")
                withExtendedLifetime(pair) {}
            }
        }

        @Test func `of an agent's guest is the name of its link`() throws {
            try TestBed.use { bed in
                let control = "\(bed.directory)/control"
                let pair = try AgentPair(
                    bed, ["--control", control, "-p", "web=127.0.0.1:8081:80"], agentOptions: ["--name", "db"],
                    terms: ",guest=web")
                let text = try bed.ringway(["publish", "ls", "--json", "--control", control]).requireSuccess()
                let forwards = try JSONDecoder().decode(Forwards.self, from: Data(text.utf8)).forwards
                #expect(forwards.map(\.state) == ["active"], "\(text)")
                let guests = try bed.ringway(["guests", "--control", control]).requireSuccess()
                #expect(guests.contains("web") && !guests.contains("db"), "\(guests)")
                withExtendedLifetime(pair) {}
            }
        }

        @Test(
            "has to be said where a link would take any machine",
            arguments: [
                (["--listen", "vsock:1024"], ["vsock:1024,cid=N", "--agent-token"]),
                (["--listen", "qemu:/x,cid=3"], ["only machines of a vsock have a CID"]),
                (["--listen", "qemu:/x,guest=a b"], ["is no guest's name"]),
            ])
        func usage(options: [String], expected: [String]) throws {
            try TestBed.use { bed in
                let outcome = try bed.ringway(["serve"] + options)
                #expect(outcome.status == 2)
                for text in expected { #expect(outcome.errors.contains(text), "\(outcome.errors)") }
                #expect(outcome.errors.filter { $0 == "\n" }.count == 1, "\(outcome.errors)")
            }
        }
    }
}
