internal import Synchronization

/// The resolver's counters, updated by its thread and read by any thread.
final class StatisticsBoard: Sendable {
    private let statistics = Mutex(Resolver.Statistics())

    func update(_ change: (inout Resolver.Statistics) -> Void) {
        statistics.withLock { change(&$0) }
    }

    var snapshot: Resolver.Statistics { statistics.withLock { $0 } }
}
