internal import Synchronization

/// Limits log lines to twenty per second, for events that guests can cause as often as they like.
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

    /// Counts an event, and decides whether to log it.
    func admit(at now: ContinuousClock.Instant = .now) -> Verdict {
        state.withLock { state in
            if state.began.map({ now - $0 >= Self.interval }) ?? true { state = State(began: now) }
            state.count += 1
            if state.count <= Self.burst { return .say }
            return state.count == Self.burst + 1 ? .sayThatMoreFollow : .silence
        }
    }
}
