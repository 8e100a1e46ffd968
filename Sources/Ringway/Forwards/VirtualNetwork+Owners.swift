internal import CRingway
internal import Synchronization

/// Owners of published ports may have a lease: unless it is renewed, their ports are removed when it expires.
extension VirtualNetwork {
    /// An owner of published ports.
    public struct ForwardOwner: Hashable, Sendable {
        public let name: String
        /// The number of the owner's forwards.
        public let forwards: Int
        /// Seconds until the owner's lease expires; `nil` without a lease.
        public let secondsLeft: Int?
    }

    /// Every owner of a published port or a lease, except the one whose name is empty.
    public var forwardOwners: [ForwardOwner] {
        let now = ringway_monotonic_nanoseconds()
        return state.withLock { state in
            var counts: [String: Int] = [:]
            for record in state.forwards.values { counts[record.port.owner, default: 0] += 1 }
            for owner in state.ownerLeases.keys { counts[owner, default: 0] += 0 }
            return counts.filter { !$0.key.isEmpty }.map { name, count in
                let due = state.ownerLeases[name]
                let left = due.map { $0 > now ? Int(($0 - now) / 1_000_000_000) : 0 }
                return ForwardOwner(name: name, forwards: count, secondsLeft: left)
            }
        }.sorted { $0.name < $1.name }
    }

    /// Sets or renews an owner's lease; when it expires, after this many seconds, the owner's forwards are removed.
    public func holdForwards(of owner: String, seconds: Int) throws(Failure) {
        guard !owner.isEmpty, (1...86_400).contains(seconds) else {
            throw Failure("a lease is for an owner with a name, and for 1 to 86400 seconds", .invalid)
        }
        // With the lock `changes`, so that no lease is renewed between its expiry and the removal of its forwards.
        let begins = try changes.withLock { (_) throws(Failure) -> Bool in
            let due = ringway_monotonic_nanoseconds() + UInt64(seconds) * 1_000_000_000
            return try state.withLock { (state) throws(Failure) -> Bool in
                let count = state.ownerLeases.count
                guard state.ownerLeases[owner] != nil || count < configuration.limits.forwardOwners else {
                    throw Failure("there are \(count) leases of owners already", .exhausted)
                }
                state.ownerLeases[owner] = due
                defer { state.sweepsOwners = true }
                return !state.sweepsOwners
            }
        }
        if begins { loop.post { [weak self] in self?.sweepOwners() } }
    }

    /// Removes an owner's forwards and its lease.
    public func dropForwards(of owner: String) throws(Failure) {
        try changes.withLock { (_) throws(Failure) in
            state.withLock { state in state.ownerLeases[owner] = nil }
            try removeForwards(of: owner)
        }
    }

    /// The longest interval between two checks of the leases, nanoseconds.
    private static var longestRest: UInt64 { 1_000_000_000 }

    /// Removes the forwards of owners whose lease has expired, and schedules the next check if leases remain. One
    /// timer serves all leases. Called on the loop's thread.
    private func sweepOwners() {
        let now = ringway_monotonic_nanoseconds()
        // The lock `changes` may be held for long, so it is taken only if a lease has expired.
        let isDue = state.withLock { state in state.ownerLeases.values.contains { $0 <= now } }
        if isDue { changes.withLock { _ in removeExpired() } }
        let next = state.withLock { state in
            state.sweepsOwners = !state.ownerLeases.isEmpty
            return state.ownerLeases.values.min()
        }
        guard let next else { return }
        let left = next > now ? next - now : 0
        loop.after(milliseconds: min(left, Self.longestRest) / 1_000_000 + 1) { [weak self] in
            self?.sweepOwners()
        }
    }

    /// Removes the leases that have expired, and their owners' forwards. The caller holds `changes`: a lease that was
    /// renewed while the caller waited for that lock is kept.
    private func removeExpired() {
        let now = ringway_monotonic_nanoseconds()
        let over = state.withLock { state in
            let over = state.ownerLeases.filter { $0.value <= now }.map(\.key)
            for owner in over { state.ownerLeases[owner] = nil }
            return over
        }
        for owner in over { try? removeForwards(of: owner) }
    }
}
