internal import Synchronization

/// The search domains of the host's `resolv.conf`, followed on behalf of the guests.
final class HostSearchDomains: Sendable {
    private struct State {
        var domains: [String] = []
        var changed: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    /// The search domains for guests: first the host's, then the network's own domain, so that no guest can take over a
    /// name that the host resolves.
    var forGuests: [String] {
        let domains = state.withLock { $0.domains }
        return domains.filter { $0.lowercased() != GuestName.domain } + [GuestName.domain]
    }

    /// Called on the resolver's thread.
    func set(_ domains: [String]) {
        let changed = state.withLock { state in
            state.domains = domains
            return state.changed
        }
        changed?()
    }

    /// Calls `action` at each later change. The action runs on the resolver's thread, so it must not block.
    func onChange(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.changed = action } }
}
