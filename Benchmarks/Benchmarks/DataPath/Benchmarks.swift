import Benchmark
import Workloads

// Times are for comparing two versions of the code on one machine. Changes are gated by counts of the same workloads:
// tools/benchmark-thresholds.
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .throughput], warmupIterations: 3, scalingFactor: .kilo, maxDuration: .seconds(1),
        maxIterations: 1_000)
    for workload in Workload.all {
        Benchmark(workload.name) { benchmark in
            let run = workload.prepare()
            benchmark.startMeasurement()
            run(benchmark.scaledIterations.count)
            benchmark.stopMeasurement()
        }
    }
}
