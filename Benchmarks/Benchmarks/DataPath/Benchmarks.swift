import Benchmark

// Names have no spaces: thresholds never match those that do. Times are for comparing two states of the code on one
// machine; what gates a change is counts (tools/allocations, tools/audit).
let benchmarks: @Sendable () -> Void = {
    Benchmark.defaultConfiguration = .init(
        metrics: [.wallClock, .throughput], warmupIterations: 3, scalingFactor: .kilo, maxDuration: .seconds(1),
        maxIterations: 1_000)
    registerParsing()
    registerTables()
    registerStreams()
    registerServices()
}
