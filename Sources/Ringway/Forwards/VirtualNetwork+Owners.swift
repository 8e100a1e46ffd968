internal import CRingway
internal import Synchronization

/// Whoever publishes ports may do so for as long as it is heard of: when its lease runs out they are removed.
extension VirtualNetwork {
    /// An owner of published ports.
    public struct ForwardOwner: Hashable, Sendable {
        public let name: String
        /// How many forwards it has.
        public let forwards: Int
        /// Seconds until its lease runs out; `nil` for an owner without one, whose forwards stay.
        public let secondsLeft: Int?
    }

    /// Everybody who has published something or has a lease, but the one without a name.
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

    /// Has an owner's forwards removed unless it is heard of again within so many seconds.
    public func holdForwards(of owner: String, seconds: Int) throws(Failure) {
        guard !owner.isEmpty, (1...86_400).contains(seconds) else {
            throw Failure("a lease is for an owner with a name, and for 1 to 86400 seconds", .invalid)
        }
        let due = ringway_monotonic_nanoseconds() + UInt64(seconds) * 1_000_000_000
        let isNew = try state.withLock { (state) throws(Failure) -> Bool in
            guard state.ownerLeases[owner] != nil || state.ownerLeases.count < configuration.limits.forwardOwners else {
                throw Failure("there are \(state.ownerLeases.count) leases of owners already", .exhausted)
            }
            return state.ownerLeases.updateValue(due, forKey: owner) == nil
        }
        if isNew { loop.post { [weak self] in self?.awaitEnd(of: owner, due) } }
    }

    /// Removes an owner's forwards and its lease.
    public func dropForwards(of owner: String) throws(Failure) {
        state.withLock { state in state.ownerLeases[owner] = nil }
        try setPublished([], owner: owner)
    }

    /// On the loop's thread.
    private func awaitEnd(of owner: String, _ due: UInt64) {
        let now = ringway_monotonic_nanoseconds()
        loop.after(milliseconds: due > now ? (due - now) / 1_000_000 + 1 : 0) { [weak self] in
            guard let self, let current = state.withLock({ $0.ownerLeases[owner] }) else { return }
            if current > ringway_monotonic_nanoseconds() { return awaitEnd(of: owner, current) }
            try? dropForwards(of: owner)
        }
    }
}
