import Benchmark

/// What the gateway answers itself, one question an iteration.
func registerServices() {
    for (name, frame) in [("ARP.Answer", GuestFrame.addressRequest()), ("DHCP.Offer", GuestFrame.discover())] {
        Benchmark(name) { benchmark in
            let bench = StackBench()
            benchmark.startMeasurement()
            for _ in benchmark.scaledIterations { bench.turn { bench.receive(frame) } }
            benchmark.stopMeasurement()
            precondition(bench.framesToGuest >= benchmark.scaledIterations.count, "questions were not answered")
        }
    }
}
