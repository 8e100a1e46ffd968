import Foundation
import Testing

extension EndToEnd {
    /// What guests of one network share, beside a guest that takes all it can get.
    @Suite("Shares")
    struct SharesTests {
        /// Two guests of one `serve`, the first of which is the hostile one.
        private static func makeGuests(_ bed: TestBed, link: String) throws -> (VirtualMachine, VirtualMachine) {
            let machines = (try VirtualMachine(bed, "hostile"), try VirtualMachine(bed, "good"))
            for (machine, mac) in [(machines.0, "52:54:00:00:09:01"), (machines.1, "52:54:00:00:09:02")] {
                try machine.plug(link, mac)
                try machine.configure()
            }
            return machines
        }

        @Test func `a guest whose names are never answered leaves other guests their names`() throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("nameserver.py"), ["127.0.0.1", "5300"])
                let link = "qemu:\(bed.directory)/q"
                let service = try Service(bed, ["--listen", link, "--dns", "127.0.0.1:5300"])
                let (hostile, good) = try Self.makeGuests(bed, link: link)
                let flood = try hostile.start([
                    "python3", Machine.program("ask_in_vain.py"), "192.168.127.1", "4096",
                ])
                try flood.waitForOutput("asked")
                try service.waitForCounters("queries in every place") { $0["dns.outstanding", default: 0] >= 4_000 }
                for number in 0..<32 {
                    let name = "good\(number).test"
                    let answer = try good.run(["dig", "+short", "+tries=3", "+time=5", "@192.168.127.1", name])
                    #expect(answer.output == "192.0.2.7\n", "\(name)")
                }
                try service.waitForCounters("what was displaced") { $0["dns.displaced", default: 0] > 0 }
                #expect(flood.isRunning && service.program.isRunning)
            }
        }

        @Test func `a guest whose names take every descriptor leaves other guests their names`() throws {
            try TestBed.use { bed in
                _ = try bed.serve(Machine.program("nameserver.py"), ["127.0.0.1", "5300"])
                let link = "qemu:\(bed.directory)/q"
                let service = try Service(bed, ["--listen", link, "--dns", "127.0.0.1:5300"])
                let (hostile, good) = try Self.makeGuests(bed, link: link)
                let process = service.program.identifier
                _ = try bed.runAnywhere(["prlimit", "--pid", "\(process)", "--nofile=256:256"]).requireSuccess()
                let flood = try hostile.start([
                    "python3", Machine.program("ask_in_vain.py"), "192.168.127.1", "1024",
                ])
                try flood.waitForOutput("asked")
                try waitUntil("the last descriptor") {
                    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count >= 250
                }
                for number in 0..<32 {
                    let name = "good\(number).test"
                    let answer = try good.run(["dig", "+short", "+tries=3", "+time=5", "@192.168.127.1", name])
                    #expect(answer.output == "192.0.2.7\n", "\(name)")
                }
                #expect(flood.isRunning && service.program.isRunning)
            }
        }
    }
}
