/// One piece of the data path that can be repeated any number of times: what benchmarks time and what is counted.
public struct Workload: Sendable {
    /// Without spaces: names of thresholds must be names of files.
    public let name: String
    /// Iterations that are enough to count by: a multiple of sixteen.
    public let counted: Int
    /// Sets everything up and answers what performs so many iterations.
    public let prepare: @Sendable () -> (Int) -> Void

    init(_ name: String, counted: Int = 1_600, prepare: @escaping @Sendable () -> (Int) -> Void) {
        self.name = name
        self.counted = counted
        self.prepare = prepare
    }

    /// Every workload.
    public static let all: [Workload] =
        parsing + tables + streams + stampedStreams + handOvers + services + twins
}

/// Lets the optimiser believe that somebody looks at `value`, at the cost of a call and a store.
@inline(never)
func consume(_ value: Int) { lastConsumed = value }

private nonisolated(unsafe) var lastConsumed = 0
