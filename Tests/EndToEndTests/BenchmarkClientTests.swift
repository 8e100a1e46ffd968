import Foundation
import Testing

extension EndToEnd {
    @Suite("iperf3")
    struct BenchmarkClientTests {
        struct Mode: CustomTestStringConvertible, Sendable {
            let testDescription: String
            let flags: [String]
            /// The sums of the report that must show bytes.
            let sums: [String]
        }

        static let modes = [
            Mode(testDescription: "guest to host", flags: [], sums: ["sum_received"]),
            Mode(testDescription: "host to guest", flags: ["-R"], sums: ["sum_received"]),
            Mode(testDescription: "four streams", flags: ["-P", "4"], sums: ["sum_received"]),
            Mode(
                testDescription: "both ways at once", flags: ["--bidir"],
                sums: ["sum_received", "sum_received_bidir_reverse"]),
            Mode(testDescription: "UDP from the guest", flags: ["-u", "-b", "200M"], sums: ["sum"]),
            Mode(testDescription: "UDP to the guest", flags: ["-u", "-b", "200M", "-R"], sums: ["sum"]),
        ]

        @Test("ends without an error in every mode, and moves bytes", arguments: shards, Family.allCases)
        func endsWithoutError(shards: Int, family: Family) throws {
            try TestBed.use { bed in
                _ = try bed.start(["iperf3", "--server", "--port", "5201"])
                try bed.waitForListener(at: 5201)
                let guest = try Guest(bed, shards: shards)
                for mode in Self.modes {
                    let report = try measure(mode, guest, family)
                    #expect(report.error == nil, "\(mode.testDescription)")
                    for sum in mode.sums {
                        #expect(try report.bytes(sum) > 0, "\(mode.testDescription): \(sum)")
                    }
                }
            }
        }

        /// What iperf3 says in a mode. The server may still be at the end of the one before.
        private func measure(_ mode: Mode, _ guest: Guest, _ family: Family) throws -> Report {
            var report: Report
            var attempts = 0
            repeat {
                let outcome = try guest.run(
                    ["iperf3", "--client", family.host, "--port", "5201", "--time", "1", "--json"] + mode.flags,
                    within: .seconds(30))
                report = try Report(outcome.output)
                attempts += 1
            } while report.error?.contains("busy") == true && attempts < 20
            return report
        }

        /// The part of iperf3's JSON that matters here.
        struct Report {
            let error: String?
            private let end: [String: Any]

            init(_ text: String) throws {
                guard let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else {
                    throw TestFailure("iperf3 printed no report: \(text.suffix(500))")
                }
                error = object["error"] as? String
                end = object["end"] as? [String: Any] ?? [:]
            }

            func bytes(_ sum: String) throws -> Int {
                guard let row = end[sum] as? [String: Any], let bytes = row["bytes"] as? Int else {
                    throw TestFailure("iperf3's report has no \(sum)")
                }
                return bytes
            }
        }
    }
}
