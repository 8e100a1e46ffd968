import Benchmark

/// TCP through the whole stack: parse, look-up, connection, effects; what is missing is the kernel.
func registerStreams() {
    for (name, payload, perTurn) in [("SuperFrame", 64_240, 1), ("1460", 1_460, 16), ("64", 64, 16)] {
        // One iteration is one segment or super-frame.
        Benchmark("TCP.Receive.\(name)") { benchmark in
            let bench = StackBench()
            bench.connect()
            let segment = GuestFrame.segment(payload: payload, sequence: 0, acknowledgement: 0)
            let count = benchmark.scaledIterations.count
            benchmark.startMeasurement()
            for _ in 0..<count / perTurn {
                bench.turn(perTurn) { bench.receiveSegment(segment, payload: payload) }
            }
            benchmark.stopMeasurement()
            precondition(bench.octetsToHost == count / perTurn * perTurn * payload, "payload was lost")
        }
    }
    for (name, payload) in [("SuperFrame", 64_240), ("64", 64)] {
        // One iteration is one receive from the host, one frame to the guest and one acknowledgement.
        Benchmark("TCP.Transmit.\(name)") { benchmark in
            let bench = StackBench()
            bench.connect()
            let acknowledgement = GuestFrame.segment(payload: 0, sequence: 0, acknowledgement: 0)
            func exchange(_ octets: Int) {
                bench.turn {
                    bench.receiveFromHost(octets)
                    bench.receiveSegment(acknowledgement, payload: 0)
                }
            }
            // Until the congestion window lets whole super-frames out.
            for _ in 0..<1_000 where bench.asked < payload { exchange(bench.asked) }
            let before = bench.framesToGuest
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations { exchange(payload) }
            benchmark.stopMeasurement()
            precondition(bench.framesToGuest - before >= benchmark.scaledIterations.count, "frames were lost")
        }
    }
}
