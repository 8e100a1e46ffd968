import Foundation
import Testing

extension EndToEnd {
    /// A process with limited memory.
    @Suite("Bounds of memory")
    struct MemoryBoundTests {
        /// `ringway serve` with a limit of address space, which has the effect of LimitAS= and strict overcommit.
        private static func serve(_ bed: TestBed, megabytes: Int) throws -> Service {
            _ = try bed.serve(Machine.flows, ["serve", "7000"])
            return try Service(
                bed, ["--listen", "qemu:\(bed.directory)/q", "--control", "\(bed.directory)/control"],
                launcher: ["prlimit", "--as=\(megabytes << 20)"])
        }

        @Test("refuse guests that do not fit, and keep those that are connected", arguments: [600, 900, 1_300])
        func refuseGuests(megabytes: Int) throws {
            try TestBed.use { bed in
                let service = try Self.serve(bed, megabytes: megabytes)
                let machine = try VirtualMachine(bed, "machine")
                try machine.plug("qemu:\(bed.directory)/q", "52:54:00:00:12:01")
                let isServed = megabytes > 600
                if isServed { try machine.configure() }
                let joiners = try bed.start(
                    ["python3", Machine.program("joiners.py"), "\(bed.directory)/q", "16"], keepsInput: true)
                try joiners.waitForOutput("joined", within: .seconds(30))
                let words = joiners.output.split(whereSeparator: \.isWhitespace)
                #expect(try #require(Int(words[3])) >= 3, "\(joiners.output)")
                try service.waitForLine("too little memory is left for one more guest")
                if isServed {
                    let report = try machine.run([
                        "python3", Machine.program("bystander.py"), "192.168.127.254", "7000", "20",
                    ]).requireSuccess()
                    #expect(report.hasPrefix("served 20 "), "\(report)")
                }
                #expect(
                    try bed.ringway(["status", "--control", "\(bed.directory)/control"], within: .seconds(5)).status
                        == 0)
                joiners.closeInput()
                _ = try joiners.waitForEnd()
                #expect(try service.end().status == 0)
            }
        }

        @Test func `refuse agents that do not fit, and none of the guests that are there`() throws {
            try TestBed.use { bed in
                let service = try bed.start(
                    ["prlimit", "--as=\(1_000 << 20)", Machine.ringway, "serve", "--listen", "unix:\(bed.directory)/a"])
                try service.waitForErrors("listening")
                var guests: [(namespace: String, agent: Program)] = []
                let refusal = "too little memory is left for one more guest"
                // What one guest takes differs between machines: guests come until one is refused.
                for index in 0..<24 where !service.errors.contains(refusal) {
                    let namespace = try bed.makeNamespace("guest\(index)")
                    let agent = try bed.start(
                        [
                            Machine.agent, "run", "--host", "unix:\(bed.directory)/a", "--configure", "--resolv-conf",
                            "", "--request-socket", "\(bed.directory)/requests\(index)",
                        ], in: namespace)
                    guests.append((namespace, agent))
                    try waitUntil("agent \(index) is connected or refused") {
                        agent.errors.contains("connected") || service.errors.contains(refusal)
                    }
                }
                #expect(guests.count > 2, "\(guests.count) guests")
                try service.waitForErrors(refusal)
                #expect(service.isRunning)
                #expect(
                    try bed.run(["ping", "-c", "1", "-w", "5", "192.168.127.1"], in: guests[0].namespace).status == 0)
                service.send(SIGTERM)
                #expect(try service.waitForEnd(within: .seconds(10)).status == 0)
            }
        }
    }
}
