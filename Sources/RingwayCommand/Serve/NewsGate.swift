internal import Synchronization

/// Limits lines about events that guests can cause at any rate: a burst of twenty, and twenty per second.
final class NewsGate: Sendable {
    enum Verdict: Equatable {
        case say
        /// The limit is reached; reported once.
        case sayThatMoreFollow
        case silence
    }

    private static var burst: Int { 20 }
    private static var interval: Duration { .seconds(1) }

    private struct State {
        var began: ContinuousClock.Instant?
        var count = 0
    }

    private let state = Mutex(State())

    /// Whether a line may be written now.
    func admit(at now: ContinuousClock.Instant = .now) -> Verdict {
        state.withLock { state in
            if state.began.map({ now - $0 >= Self.interval }) ?? true { state = State(began: now) }
            state.count += 1
            if state.count <= Self.burst { return .say }
            return state.count == Self.burst + 1 ? .sayThatMoreFollow : .silence
        }
    }
}
