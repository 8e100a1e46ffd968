import Benchmark
import RingwayWire

func registerParsing() {
    let frames: [(name: String, frame: GuestFrame)] = [
        ("Parse.TCP64", .segment(payload: 64, sequence: 1, acknowledgement: 1)),
        ("Parse.TCP64.Checksummed", .segment(payload: 64, sequence: 1, acknowledgement: 1, isChecksummed: true)),
        ("Parse.TCP1460.Checksummed", .segment(payload: 1_460, sequence: 1, acknowledgement: 1, isChecksummed: true)),
        ("Parse.SuperFrame", .segment(payload: 64_240, sequence: 1, acknowledgement: 1)),
        ("Parse.ARP", .addressRequest()),
    ]
    for (name, frame) in frames {
        Benchmark(name) { benchmark in
            var summary = FrameSummary()
            for _ in benchmark.scaledIterations {
                blackHole(FrameSummary.parse(frame.buffer, into: &summary))
            }
            precondition(FrameSummary.parse(frame.buffer, into: &summary) == .none)
        }
    }
    for octets in [64, 1_500, 65_536] {
        let data = GuestFrame(count: octets)
        Benchmark("Checksum.\(octets)") { benchmark in
            for _ in benchmark.scaledIterations { blackHole(Checksum.finish(Checksum.partial(data.buffer))) }
        }
    }
}
