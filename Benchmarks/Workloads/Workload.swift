/// A repeatable part of the data path, for timing and for counting.
public struct Workload: Sendable {
    /// Without spaces, because it is also a file name.
    public let name: String
    /// The number of iterations for counting: a multiple of sixteen.
    public let counted: Int
    /// Sets everything up and returns a closure that runs the given number of iterations.
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

/// Makes the optimiser treat `value` as used, at the cost of a call and a store.
@inline(never)
func consume(_ value: Int) { lastConsumed = value }

private nonisolated(unsafe) var lastConsumed = 0
