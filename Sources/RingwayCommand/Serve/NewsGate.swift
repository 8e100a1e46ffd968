internal import Synchronization

/// Bounds how many lines are written of what guests may make happen as often as they like: twenty at once, and twenty more
/// each second.
final class NewsGate: Sendable {
    enum Verdict: Equatable {
        case say
        /// The bound is reached; to be said once.
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
