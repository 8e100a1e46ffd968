internal import Synchronization

/// The domains that the host's `resolv.conf` has its readers search, as they change, for guests to search too.
final class HostSearchDomains: Sendable {
    private struct State {
        var domains: [String] = []
        var changed: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// The search domains of a guest: the host's, and last its own network's, so that no guest of that network takes a
    /// name that the host knows.
    var forGuests: [String] {
        let domains = state.withLock { $0.domains }
        return domains.filter { $0.lowercased() != GuestName.domain } + [GuestName.domain]
    }

    /// From the resolver's thread.
    func set(_ domains: [String]) {
        let changed = state.withLock { state in
            state.domains = domains
            return state.changed
        }
        changed?()
    }

    /// Calls `action` at each change from now on, from the resolver's thread, which must not wait.
    func onChange(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.changed = action } }
}
