import RingwayWire

extension Workload {
    static var parsing: [Workload] {
        let frames: [(name: String, payload: Int, isChecksummed: Bool)] = [
            ("Parse.TCP64", 64, false), ("Parse.TCP64.Checksummed", 64, true),
            ("Parse.TCP1460.Checksummed", 1_460, true), ("Parse.SuperFrame", 64_240, false),
        ]
        let parses = frames.map { name, payload, isChecksummed in
            parse(name) { .segment(payload: payload, sequence: 1, acknowledgement: 1, isChecksummed: isChecksummed) }
        }
        let sums = [64, 1_500, 65_536].map { byteCount in
            Workload("Checksum.\(byteCount)", counted: 160) {
                let data = GuestFrame(count: byteCount)
                return { count in
                    for _ in 0..<count { consume(Int(Checksum.finish(Checksum.partial(data.buffer)))) }
                }
            }
        }
        return parses + [parse("Parse.ARP") { .addressRequest() }] + sums
    }

    private static func parse(_ name: String, _ make: @escaping @Sendable () -> GuestFrame) -> Workload {
        Workload(name) {
            let frame = make()
            return { count in
                var summary = FrameSummary()
                for _ in 0..<count { consume(Int(FrameSummary.parse(frame.buffer, into: &summary).rawValue)) }
                precondition(FrameSummary.parse(frame.buffer, into: &summary) == .none)
            }
        }
    }
}
