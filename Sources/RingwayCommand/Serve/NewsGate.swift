internal import Synchronization

/// Limits the log lines about events that guests can cause as often as they like: to twenty per second.
final class NewsGate: Sendable {
    enum Verdict: Equatable {
        case say
        /// The first event beyond the limit, for which a line says that more events follow.
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
