import Foundation
import Testing

extension EndToEnd {
    /// The share of processor time, memory and descriptors of the control API's clients.
    @Suite("Shares of the control API")
    struct ControlSharesTests {
        private static func makeService(_ bed: TestBed) throws -> (service: Service, socket: String) {
            let socket = bed.directory + "/control"
            return (try Service(bed, ["--listen", "qemu:\(bed.directory)/q", "--control", socket]), socket)
        }

        /// The number in the line that starts with a word.
        private static func number(_ word: String, in output: String) throws -> Double {
            let line = output.split(separator: "\n").first { $0.hasPrefix(word + " ") }
            return try #require(line.flatMap { Double($0.dropFirst(word.count + 1)) }, "\(output)")
        }

        /// Opens many connections and keeps them open.
        private static let holder = """
            import signal, socket, sys
            held = []
            for _ in range(int(sys.argv[3])):
                held.append(socket.socket())
                held[-1].setblocking(False)
                held[-1].connect_ex((sys.argv[1], int(sys.argv[2])))
            print("opened", flush=True)
            signal.pause()
            """

        @Test func `clients that wait for the last descriptor cost no processor time, and are answered`() throws {
            try TestBed.use { bed in
                let (service, socket) = try Self.makeService(bed)
                let shortage = try bed.run([
                    "python3", Machine.program("control_shortage.py"), "\(service.program.identifier)", socket, "12",
                ]).requireSuccess()
                // Of two seconds; a busy loop would use all of them.
                #expect(try Self.number("processor", in: shortage) < 0.2)
                #expect(try Self.number("during", in: shortage) >= 4)
                #expect(try Self.number("after", in: shortage) == 12)
                #expect(try bed.ringway(["status", "--control", socket]).status == 0)
            }
        }

        @Test func `an attached network whose guest has all that it may have is still asked for its state`() throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.flows, ["serve", "7000"])
                let socket = bed.directory + "/control"
                let guest = try Guest(
                    bed, shards: 1, ["--control", socket], launcher: ["prlimit", "--nofile=128:128"])
                let holder = try guest.start([
                    "python3", "-c", Self.holder, Family.ipv4.host, "7000", "300",
                ])
                try holder.waitForOutput("opened")
                // Unanswered flows end first.
                try waitUntil("the guest's last descriptor") {
                    try guest.renewedStatistics()["tcpHalfOpenEvicted", default: 0] > 0
                }
                #expect(try bed.ringway(["guests", "--control", socket]).status == 0)
                #expect(guest.bridge.isRunning)
                holder.send(SIGKILL)
            }
        }

        @Test("answers that are not read stop at what a connection holds", arguments: ["/openapi.json", "/v1/status"])
        func boundsAnswers(target: String) throws {
            try TestBed.use { bed in
                let (service, socket) = try Self.makeService(bed)
                let flood = try bed.run([
                    "python3", Machine.program("control_flood.py"), "\(service.program.identifier)", socket, "answers",
                    target,
                ]).requireSuccess()
                #expect(try Self.number("peak", in: flood) < 32, "\(flood)")
                #expect(try Self.number("left", in: flood) <= 16, "\(flood)")
                #expect(try bed.ringway(["status", "--control", socket]).status == 0)
            }
        }

        @Test func `bodies that do not end stop at what all connections may hold`() throws {
            try TestBed.use { bed in
                let (service, socket) = try Self.makeService(bed)
                let flood = try bed.run([
                    "python3", Machine.program("control_flood.py"), "\(service.program.identifier)", socket, "bodies",
                ]).requireSuccess()
                #expect(try Self.number("peak", in: flood) < 192, "\(flood)")
                #expect(try Self.number("left", in: flood) <= 16, "\(flood)")
                #expect(try bed.ringway(["status", "--control", socket]).status == 0)
            }
        }
    }
}
