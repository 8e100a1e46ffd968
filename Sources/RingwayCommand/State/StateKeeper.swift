internal import Ringway
internal import RingwaySystem
internal import Synchronization

/// Stores the state of a network in a file, so that guests keep their addresses, names and ports after a restart.
///
/// A change is written after a short delay, together with those that follow in that time. The writes are on the
/// keeper's own event loop, so that neither the data path nor the network's thread waits for a disk.
final class StateKeeper: Sendable {
    /// The delay between the first change and the write, in nanoseconds.
    private static var delay: UInt64 { 100_000_000 }
    /// The least number of seconds that an owner of published ports has after a restart to renew its lease.
    private static var ownerGrace: Int { 30 }

    private struct Work: ~Copyable {
        var file: StateFile
        var links: [String]
        /// Whether the last write failed, which is reported once.
        var hasFailed = false
        var hasEnded = false
    }

    let path: String
    /// The state of an earlier run, if any.
    let found: NetworkState?
    private let work: Mutex<Work>
    private let isDue = Atomic<Bool>(false)
    private let thread: LoopThread

    init(_ file: consuming StateFile, found: NetworkState?, links: [String]) throws(SystemError) {
        thread = try LoopThread("ringway-state", stackBytes: 256 << 10)
        path = file.path
        self.found = found
        work = Mutex(Work(file: file, links: links))
    }

    // MARK: State of an earlier run

    /// Applies the stored state to a configuration. Settings of the configuration take precedence.
    func apply(to configuration: inout VirtualNetwork.Configuration) {
        guard let found else { return }
        if configuration.ipv6Prefix == nil, found.fits(configuration) { configuration.ipv6Prefix = found.ipv6Prefix }
        let network = configuration.ipv4Network
        if (found.network.networkAddress, found.network.prefixLength) == (network.networkAddress, network.prefixLength)
        {
            configuration.rememberedLeases = found.leases
        } else if !found.leases.isEmpty {
            StandardError.write(
                "\(path): leases of \(found.network) are not taken over, because the network is "
                    + "\(network) now")
        }
    }

    /// Publishes again the ports that the control API published in the earlier run, restores the leases of their
    /// owners, and reports the result.
    func restore(to network: VirtualNetwork) {
        guard let found else { return }
        var count = 0
        for (owner, published) in Dictionary(grouping: found.published, by: \.owner).sorted(by: { $0.key < $1.key }) {
            count += restore(published.map(\.forward), of: owner, to: network)
        }
        for owner in found.owners {
            try? network.holdForwards(of: owner.name, seconds: max(owner.seconds, Self.ownerGrace))
        }
        let leases = network.rememberedLeases.count
        guard leases + count > 0 else { return }
        StandardError.write("\(path): \(leases) leases and \(count) published ports of an earlier run are in force")
    }

    /// Publishes the ports of an owner, all at once if that succeeds, otherwise one by one. Returns how many are
    /// published.
    private func restore(_ forwards: [PortForward], of owner: String, to network: VirtualNetwork) -> Int {
        if let changes = try? network.setPublished(forwards, owner: owner) {
            return changes.added.count + changes.kept.count
        }
        var count = 0
        for forward in forwards {
            do throws(VirtualNetwork.Failure) {
                try network.publish(forward, owner: owner)
                count += 1
            } catch {
                StandardError.write("\(path): \(forward) of \"\(owner)\" is not published again: \(error)")
            }
        }
        return count
    }

    // MARK: Saving

    /// Schedules a write of the state, which has changed, after `delay`. May be called on any thread.
    func changed(_ network: VirtualNetwork) {
        guard !isDue.exchange(true, ordering: .acquiringAndReleasing) else { return }
        thread.post { [self, weak network] loop in
            loop.schedule(DelayedWrite(of: network, by: self), at: MonotonicClock.now() + Self.delay)
        }
    }

    /// Writes the current state.
    func save(_ network: VirtualNetwork) {
        // `isDue` is reset before the state is read, so that a later change causes another write.
        isDue.store(false, ordering: .releasing)
        let failure = work.withLock { work -> String? in
            guard !work.hasEnded else { return nil }
            let failure = work.file.write(NetworkState(of: network, links: work.links).json)
            defer { work.hasFailed = failure != nil }
            return work.hasFailed ? nil : failure
        }
        if let failure {
            StandardError.write("cannot write \(path): \(failure); a restart will not know what has changed since")
        }
    }

    /// Sets the links that are stored with the state from now on.
    func setLinks(_ links: [String]) { work.withLock { $0.links = links } }

    /// Writes the final state; the file is unlocked when the keeper is freed.
    func finish(_ network: VirtualNetwork) {
        save(network)
        work.withLock { $0.hasEnded = true }
        thread.stop()
    }
}

/// A write that is due a short time after a change.
private final class DelayedWrite: LoopMember {
    private weak var network: VirtualNetwork?
    private let keeper: StateKeeper

    init(of network: VirtualNetwork?, by keeper: StateKeeper) {
        self.network = network
        self.keeper = keeper
    }

    override func deadlinePassed(now: UInt64) {
        if let network { keeper.save(network) }
    }
}

extension NetworkState {
    /// Whether the stored IPv6 prefix is valid in this configuration.
    fileprivate func fits(_ configuration: VirtualNetwork.Configuration) -> Bool {
        NetworkPlan(ipv4: configuration.ipv4Network, ipv6Prefix: ipv6Prefix, mtu: configuration.mtu) != nil
    }
}
