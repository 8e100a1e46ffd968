internal import Glibc
internal import RingwayEngine
public import RingwayModel
internal import RingwayResolver
internal import RingwayStorage
internal import RingwaySystem
internal import RingwayTap
internal import Synchronization

/// One virtual network with its gateway and its guests, to be embedded in a launcher of virtual machines or namespaces.
///
/// ```swift
/// let network = try VirtualNetwork(VirtualNetwork.Configuration())
/// try network.listen(on: LinkAddress("qemu:/run/machines/web.sock"))
/// try network.publish(PortForward(hostAddress: nil, hostPorts: 8080...8080, guestPorts: 80...80, transport: .tcp))
/// let subscription = network.subscribe { event in print(event) }
/// ```
///
/// The guests of a process share the threads of its data path (`Configuration.shards`), but each guest has its own
/// flows and a guaranteed share of buffers and descriptors, and its failure does not affect others. State that the
/// guests of a network share is kept here: addresses, names and forwards.
///
/// A network installs no signal handlers and prints nothing. A process may have several networks; they share only the
/// process's shards (threads and buffers) and its descriptors.
public final class VirtualNetwork: Sendable {
    /// Why a network refused a request: one line for users.
    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// The kind of failure, for programs. More kinds may be added.
        public enum Kind: String, Hashable, Sendable {
            /// The request is invalid.
            case invalid
            case notFound
            case portInUse
            /// The object exists already.
            case exists
            /// Another process listens at the socket's path.
            case pathInUse
            /// The process lacks a privilege, or the network does not permit the request.
            case notPermitted
            /// The host does not have the address.
            case addressMissing
            /// Descriptors or memory are short, the limit of guests or of owners' leases is reached, or no address is
            /// left for a guest.
            case exhausted
            case other
        }

        public let description: String
        public let kind: Kind

        init(_ description: String, _ kind: Kind = .other) {
            self.description = description
            self.kind = kind
        }

        /// A failure of the control API, for example to open its socket.
        package static func control(_ description: String) -> Failure { Failure(description) }
    }

    /// The initial configuration, without later changes.
    public let configuration: Configuration
    /// The addresses of the network.
    public let plan: NetworkPlan

    /// A guest and its engine.
    struct Member {
        let guest: Guest
        let engine: Engine
    }

    struct State {
        var registry: AddressRegistry
        /// The shards of the process, which the network uses from its first guest on.
        var shards: ShardSet?
        var bindings = LinkBindings()
        var members: [Guest.ID: Member] = [:]
        /// Guests whose engines are being stopped; their counters still belong to the statistics.
        var leaving: [Guest.ID: Member] = [:]
        var nextGuest: Guest.ID = 0
        var forwards: [PublishedPort.ID: ForwardRecord] = [:]
        var nextForward: PublishedPort.ID = 0
        var forwardRetry = ForwardRetry()
        var inheritedPorts = InheritedPorts()
        var agentPlaces = AgentPlaceTable()
        /// Whether a retry is scheduled for agents' listening places that could not be opened.
        var retriesPlaces = false
        /// The names of host sockets (`Configuration.agentSockets`), by the numbers that stand for them in lists of
        /// flows.
        var hostSocketNumbers: [PublishedPort.ID: String] = [:]
        /// Agents by object identity: `AgentGuest.id` is unique only among the agents of one listener.
        var agents: [ObjectIdentifier: AttachedAgent] = [:]
        /// The number of agents that have connected so far.
        var agentsConnected: UInt64 = 0
        /// When the lease of each owner of published ports expires, in monotonic nanoseconds.
        var ownerLeases: [String: UInt64] = [:]
        /// Whether the timer that checks owners' leases is set.
        var sweepsOwners = false
        var names: [NetworkName]
        var policy: DestinationPolicy
        /// The table of the host's addresses, which reports changes; `nil` while guests may reach them.
        var hostAddresses: LocalAddressTable?
        /// Counters of detached guests.
        var detachedCounts: [String: Int] = [:]
        var guestsRefused = 0
        /// The number of agents' requests for host ports that the configuration does not permit.
        var agentPortsRefused = 0
        /// The number of host ports that were not opened, because the agent had `Limits.portsPerAgent` already: ports
        /// that agents requested, and those of `Configuration.followsListeningPorts`.
        var agentPortsBeyondLimit = 0
        /// The number of queues that agents offered beyond `Limits.queuesPerGuest`.
        var queuesRefused = 0
        /// Whether the timer that checks the free memory is set.
        var watchesMemory = false
        var linkLost: (@Sendable () -> Void)?
        var isLinkLost = false
        var isStopped = false

        /// Updates the names of attached guests that lost a claimed name, because the registry has assigned that name
        /// to another guest.
        mutating func renewGuestNames() {
            for (id, member) in members {
                let guest = member.guest
                guard let lease = registry.leases[guest.mac], guest.claimsName, lease.name != guest.name else {
                    continue
                }
                let renamed = Guest(
                    id: id, mac: guest.mac, ipv4: guest.ipv4, ipv6: guest.ipv6, name: lease.name,
                    claimsName: lease.claimsName, link: guest.link)
                members[id] = Member(guest: renamed, engine: member.engine)
            }
        }

        /// A new, unique forward number. Numbers repeat after about four billion.
        mutating func freshForwardNumber() -> PublishedPort.ID {
            repeat {
                nextForward &+= 1
            } while nextForward == 0 || forwards[nextForward] != nil || agentPlaces[nextForward] != nil
                || hostSocketNumbers[nextForward] != nil
            return nextForward
        }
    }

    /// Serializes changes, such as attaching guests and publishing ports. A change may take long, so the data has a
    /// lock of its own, `state`, which is held only briefly.
    let changes = Mutex(())
    /// Held while names are passed to the name service, so that an older list cannot replace a newer one. Acquired
    /// after `changes`.
    private let naming = Mutex(())
    let state: Mutex<State>
    let subscribers = Mutex(SubscriberList())
    let loop: ControlLoop
    let listeners = ListenerTable()
    let resolver: Resolver
    let searchDomains: HostSearchDomains
    let captures = CaptureControl()
    /// The name service's share of the process's descriptors.
    private let nameDescriptors: DescriptorShare

    /// The number of descriptors of a network without guests: those of its control loop and of its DNS service.
    private static var standingDescriptors: Int { 6 }

    /// Creates the network and starts its DNS service. No guest is attached yet.
    public init(_ configuration: Configuration) throws(Failure) {
        var generator = SystemRandomNumberGenerator()
        let prefix = configuration.ipv6Prefix ?? NetworkPlan.randomIPv6Prefix(using: &generator)
        guard let plan = NetworkPlan(ipv4: configuration.ipv4Network, ipv6Prefix: prefix, mtu: configuration.mtu)
        else {
            throw Failure(
                "no network can be laid out in \(configuration.ipv4Network) and \(prefix)/64 with an MTU of "
                    + "\(configuration.mtu): use a private IPv4 block of /8 to /29, an IPv6 prefix of 64 bits and an "
                    + "MTU from \(NetworkPlan.minimumMTU) to \(NetworkPlan.maximumMTU)")
        }
        self.configuration = configuration
        self.plan = plan
        var registry = try AddressRegistry(plan: plan, leases: configuration.leases)
        for lease in configuration.rememberedLeases { registry.remember(lease) }
        let host = try configuration.host ? nil : Self.followHostAddresses()
        let policy = DestinationPolicy(
            allow: configuration.allow, deny: configuration.deny, hostLoopback: configuration.hostLoopback,
            hostAddresses: host?.addresses, udpFiltering: configuration.udpFiltering)
        state = Mutex(
            State(registry: registry, names: configuration.names, policy: policy, hostAddresses: host?.table))
        var names = Resolver.Configuration(
            names: Self.names(plan, registry, configuration.names),
            upstreams: configuration.nameServers.isEmpty ? nil : configuration.nameServers)
        names.forwards = !policy.deniesAll
        names.resolvConfPath = configuration.resolvConfPath
        let searchDomains = HostSearchDomains()
        self.searchDomains = searchDomains
        names.searchFollowed = { searchDomains.set($0) }
        names.own = OwnNetwork(
            domain: GuestName.domain,
            blocks: [
                CIDRBlock(address: IPAddress(plan.ipv4Network), prefixLength: plan.ipv4PrefixLength),
                CIDRBlock(address: IPAddress(plan.ipv6Prefix), prefixLength: 64),
            ].compactMap { $0 })
        names.limits.outstandingQueries = configuration.limits.nameQueries
        names.limits.longestWait = .seconds(max(1, configuration.limits.dnsTimeout))
        guard let descriptors = DescriptorBudget.ofProcess.join(standing: Self.standingDescriptors) else {
            throw Failure(
                "too few descriptors are left for a network: raise ulimit -Hn or LimitNOFILE", .exhausted)
        }
        names.descriptors = descriptors
        nameDescriptors = descriptors
        do throws(SystemError) {
            loop = try ControlLoop()
        } catch {
            descriptors.leave()
            throw Failure(error.description)
        }
        do throws(ResolverFailure) {
            resolver = try Resolver(names)
        } catch {
            loop.stop()
            descriptors.leave()
            throw Failure("the name service does not start: \(error)")
        }
        searchDomains.onChange { [weak self] in
            self?.loop.post { [weak self] in self?.renewSearchDomains() }
        }
        if let host { watchHostAddresses(host.table) }
        if let options = configuration.capture {
            do throws(Failure) {
                try startCapture(options)
            } catch {
                stop()
                throw error
            }
        }
    }

    // MARK: Names

    /// All names that the network's name service answers itself.
    public var names: [NetworkName] {
        state.withLock { Self.names(plan, $0.registry, $0.names) }.map {
            NetworkName($0.name, ipv4: $0.ipv4, ipv6: $0.ipv6)
        }
    }

    private static func names(
        _ plan: NetworkPlan, _ registry: AddressRegistry, _ others: [NetworkName]
    ) -> [BuiltinName] {
        let host = ["host.ringway.internal", "host.docker.internal", "host.containers.internal"]
        let gateway = ["gateway.ringway.internal", "gateway.docker.internal"]
        let guests = registry.leases.sorted { $0.value.ipv4 < $1.value.ipv4 }.map { mac, lease in
            BuiltinName(
                name: "\(lease.name).\(GuestName.domain)", ipv4: lease.ipv4, ipv6: registry.ipv6(of: mac))
        }
        return host.map { BuiltinName(name: $0, ipv4: plan.hostIPv4, ipv6: plan.hostIPv6) }
            + gateway.map { BuiltinName(name: $0, ipv4: plan.gatewayIPv4, ipv6: plan.gatewayIPv6) }
            + guests + others.map { BuiltinName(name: $0.name, ipv4: $0.ipv4, ipv6: $0.ipv6) }
    }

    /// Sends the host's current search domains to the attached guests.
    private func renewSearchDomains() {
        let domains = searchDomains.forGuests
        changes.withLock { _ in
            for engine in state.withLock({ $0.members.values.map(\.engine) }) { engine.setSearchDomains(domains) }
        }
    }

    /// Passes the current names to the name service, which uses them once this has returned.
    func renewNames() {
        naming.withLock { _ in
            let names = state.withLock { Self.names(plan, $0.registry, $0.names) }
            // Cannot fail: each name was validated when it was added.
            try? resolver.setNames(names)
        }
    }

    /// Replaces the configured names; those of guests, gateway and host stay. The name service uses the new ones once
    /// this has returned.
    public func setNames(_ names: [NetworkName]) throws(Failure) {
        try naming.withLock { (_) throws(Failure) in
            let registry = state.withLock { $0.registry }
            do throws(ResolverFailure) {
                try resolver.setNames(Self.names(plan, registry, names))
            } catch {
                throw Failure("\(error)")
            }
            state.withLock { $0.names = names }
        }
    }

    // MARK: Changing the configuration

    /// Replaces the static leases. An attached guest keeps its address until it is detached.
    public func setLeases(_ leases: [StaticLease]) throws(Failure) {
        try state.withLock { (state) throws(Failure) in try state.registry.settle(leases) }
        renewNames()
    }

    /// Changes the policy for new flows, and for datagrams; existing connections are not affected.
    ///
    /// - Parameters:
    ///   - host: whether guests reach any address of the host; if false, `hostLoopback` has no effect.
    public func setPolicy(
        allow: [CIDRBlock], deny: [CIDRBlock], hostLoopback: Bool, host: Bool = true,
        udpFiltering: UDPFiltering = .address
    ) throws(Failure) {
        try changes.withLock { (_) throws(Failure) in
            let (former, known) = state.withLock { ($0.hostAddresses, $0.policy.hostAddresses) }
            let fresh = try host || former != nil ? nil : Self.followHostAddresses()
            let followed = host ? nil : fresh?.table ?? former
            let policy = DestinationPolicy(
                allow: allow, deny: deny, hostLoopback: hostLoopback,
                hostAddresses: host ? nil : fresh?.addresses ?? known, udpFiltering: udpFiltering)
            let engines = state.withLock { state in
                state.policy = policy
                state.hostAddresses = followed
                return state.members.values.map(\.engine)
            }
            if let former, followed == nil { unwatchHostAddresses(former) }
            if let followed, former == nil { watchHostAddresses(followed) }
            for engine in engines { engine.setPolicy(policy) }
            resolver.setForwarding(!policy.deniesAll)
        }
    }

    // MARK: Statistics and ending

    /// The network's current counters, summed over all guests, including detached ones.
    public func statistics() -> Statistics {
        // Counted under the lock, so that a guest detached at the same time is not counted twice.
        var (rows, count, refused) = state.withLock { state in
            let engines = (Array(state.members.values) + Array(state.leaving.values)).map(\.engine)
            let rows = Statistics.sum(engines.map { $0.snapshot() }, detached: state.detachedCounts)
            return (
                rows, state.members.count,
                [
                    ("guestsRefused", state.guestsRefused), ("queuesRefused", state.queuesRefused),
                    ("agentPortsRefused", state.agentPortsRefused),
                    ("agentPortsBeyondLimit", state.agentPortsBeyondLimit),
                ]
            )
        }
        rows.append(Count(name: "guests", value: count, isGauge: true))
        for (name, value) in refused { rows.append(Count(name: name, value: value, isGauge: false)) }
        let captured = captures.counts
        rows.append(Count(name: "captureFrames", value: captured.frames, isGauge: false))
        rows.append(Count(name: "captureFramesDropped", value: captured.dropped, isGauge: false))
        return Statistics(data: rows, names: resolver.statistics())
    }

    /// One guest's counters; `nil` if it is not attached.
    public func statistics(of guest: Guest.ID) -> Statistics? {
        let engine = state.withLock { $0.members[guest]?.engine }
        return engine.map { Statistics(data: $0.snapshot(), names: nil) }
    }

    /// Ends the network: the guests' TCP connections are reset on the host, listening sockets are closed, and the
    /// network's threads and event streams end. Every network must be stopped; it cannot be started again.
    public func stop() {
        let isFirst = state.withLock { state in
            defer {
                state.isStopped = true
                state.isLinkLost = true
            }
            return !state.isStopped
        }
        guard isFirst else { return }
        resolver.stopFollowing()
        listeners.close(on: loop)
        // With the lock: an attach that is under way has then stored its guest, and later ones are refused.
        for guest in changes.withLock({ _ in guests }) { try? detach(guest.id, because: "the network ends") }
        changes.withLock { _ in
            closePorts()
            for socket in state.withLock({ $0.agentPlaces.takeSockets() }) { socket.end() }
            endCapture()
            let shards = state.withLock { state in
                defer { state.shards = nil }
                return state.shards
            }
            if let shards {
                DescriptorBudget.ofProcess.removeStanding(shards.standingDescriptors)
                shards.leave()
            }
        }
        // Posted, so that subscriptions end after the events of the guests that were just detached.
        loop.post { [self] in endSubscriptions() }
        loop.stop()
        state.withLock { $0.inheritedPorts.close() }
        resolver.stop()
        nameDescriptors.leave()
    }
}
