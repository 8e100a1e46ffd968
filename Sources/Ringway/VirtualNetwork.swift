internal import Glibc
@_exported public import RingwayAgentProtocol
internal import RingwayEngine
@_exported public import RingwayLinks
internal import RingwayResolver
@_exported public import RingwayStack
internal import RingwayStorage
internal import RingwaySystem
internal import RingwayTap
@_exported public import RingwayWire
internal import Synchronization

/// One virtual network with its gateway and its guests: what a launcher of virtual machines or namespaces embeds.
///
/// ```swift
/// let network = try VirtualNetwork(VirtualNetwork.Configuration())
/// try network.listen(on: LinkAddress("qemu:/run/machines/web.sock"))
/// try network.publish(PortForward(hostAddress: nil, hostPorts: 8080...8080, guestPorts: 80...80, transport: .tcp))
/// let subscription = network.subscribe { event in print(event) }
/// ```
///
/// Each guest has an engine of its own, with threads, buffers and flows of its own: one that dies takes no other with
/// it. State that guests share is kept here: addresses, names, forwards and the switch between them.
///
/// Nothing here installs signal handlers, prints, or keeps global state; several networks live in one process.
public final class VirtualNetwork: Sendable {
    /// Why a network could not do what was asked: one line for a person to read.
    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        /// The kind of failure, for a program to read. More kinds may be added.
        public enum Kind: String, Hashable, Sendable {
            /// The request is invalid.
            case invalid
            case notFound
            case portInUse
            /// There is one already.
            case exists
            /// Another process listens at the path of a socket.
            case pathInUse
            /// It takes privilege that the process does not have.
            case notPermitted
            /// The host does not have the address.
            case addressMissing
            /// A bound is reached: descriptors, guests, addresses.
            case exhausted
            case other
        }

        public let description: String
        public let kind: Kind

        init(_ description: String, _ kind: Kind = .other) {
            self.description = description
            self.kind = kind
        }

        /// Why a network's control API could not do what was asked.
        package static func control(_ description: String) -> Failure { Failure(description) }
    }

    /// The configuration that the network was made with, without later changes.
    public let configuration: Configuration
    /// The addresses of the network.
    public let plan: NetworkPlan

    /// A guest and what works for it.
    struct Member {
        let guest: Guest
        let engine: Engine
    }

    struct State {
        var registry: AddressRegistry
        var bindings = LinkBindings()
        var members: [Guest.ID: Member] = [:]
        /// Those whose engines are being stopped, and are still counted.
        var leaving: [Guest.ID: Member] = [:]
        var nextGuest: Guest.ID = 0
        var forwards: [PublishedPort.ID: ForwardRecord] = [:]
        var nextForward: PublishedPort.ID = 0
        var forwardRetry = ForwardRetry()
        var inheritedPorts = InheritedPorts()
        var agentPlaces = AgentPlaceTable()
        /// Whether places that could not be had are tried again.
        var retriesPlaces = false
        /// Numbers of the host's sockets that guests may use, for lists of flows.
        var hostSocketNumbers: [PublishedPort.ID: String] = [:]
        /// Agents by the object that stands for each, because several listeners number theirs.
        var agents: [ObjectIdentifier: AttachedAgent] = [:]
        /// When the leases of owners run out, in monotonic nanoseconds.
        var ownerLeases: [String: UInt64] = [:]
        /// Whether a timer ends them.
        var sweepsOwners = false
        var names: [NetworkName]
        var policy: DestinationPolicy
        /// The host's addresses, followed while guests are kept from them.
        var hostAddresses: LocalAddressTable?
        /// Counters of guests that have gone.
        var detachedCounts: [String: Int] = [:]
        var guestsRefused = 0
        /// Ports of the host that agents may not have, or would have had beyond their bound.
        var agentPortsRefused = 0
        var agentPortsBeyondLimit = 0
        /// Queues that agents offered beyond what a guest gets.
        var queuesRefused = 0
        /// Whether a timer watches the memory that is left.
        var watchesMemory = false
        var linkLost: (@Sendable () -> Void)?
        var isLinkLost = false
        var isStopped = false

        /// Has guests that are attached be called what the register says, after a name has gone to another one.
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

        /// A number for a forward that no other has. They come round after four thousand million.
        mutating func freshForwardNumber() -> PublishedPort.ID {
            repeat {
                nextForward &+= 1
            } while nextForward == 0 || forwards[nextForward] != nil || agentPlaces[nextForward] != nil
                || hostSocketNumbers[nextForward] != nil
            return nextForward
        }
    }

    /// Held while guests come and go and ports are published, which may take its time; nothing else is done under it.
    let changes = Mutex(())
    let state: Mutex<State>
    let subscribers = Mutex(SubscriberList())
    let loop: ControlLoop
    let listeners = ListenerTable()
    let resolver: Resolver
    let searchDomains: HostSearchDomains
    let captures = CaptureControl()
    /// The descriptors of the name service's sockets.
    private let nameDescriptors: DescriptorShare

    /// Descriptors that a network has open without guests: bells, and what the name service waits for.
    private static var standingDescriptors: Int { 6 }

    /// Lays the network out and starts its name service. No guest is attached yet.
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

    /// Every name that the network's own name service answers for.
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

    /// Has the guests that are attached search what the host does now.
    private func renewSearchDomains() {
        let domains = searchDomains.forGuests
        changes.withLock { _ in
            for engine in state.withLock({ $0.members.values.map(\.engine) }) { engine.setSearchDomains(domains) }
        }
    }

    /// Tells the name service which names there are.
    func renewNames() {
        let names = state.withLock { Self.names(plan, $0.registry, $0.names) }
        // Each of them was looked at when it was taken up.
        try? resolver.setNames(names)
    }

    /// Replaces the names of the configuration, those of guests and the gateway aside.
    public func setNames(_ names: [NetworkName]) throws(Failure) {
        let registry = state.withLock { $0.registry }
        do throws(ResolverFailure) {
            try resolver.setNames(Self.names(plan, registry, names))
        } catch {
            throw Failure("\(error)")
        }
        state.withLock { $0.names = names }
    }

    // MARK: Changes of what was configured

    /// Replaces the static leases. A guest that is attached keeps its address until it leaves.
    public func setLeases(_ leases: [StaticLease]) throws(Failure) {
        try state.withLock { (state) throws(Failure) in try state.registry.settle(leases) }
        renewNames()
    }

    /// Holds flows that are opened from now on, and datagrams, to another policy; connections that exist are left alone.
    ///
    /// - Parameters:
    ///   - host: whether guests reach the addresses of the host at all.
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
        }
    }

    // MARK: Watching and ending

    /// The counters now, of all guests together, those that have gone included.
    public func statistics() -> Statistics {
        // Under the lock, so that no guest that leaves meanwhile is counted twice.
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

    /// One guest's counters; `nil` when it is not attached.
    public func statistics(of guest: Guest.ID) -> Statistics? {
        let engine = state.withLock { $0.members[guest]?.engine }
        return engine.map { Statistics(data: $0.snapshot(), names: nil) }
    }

    /// Ends the network: guests' flows end with RST on the host, sockets are removed, threads end, descriptors close, and
    /// so do streams of events. A network that is no longer wanted is stopped; it cannot be started again.
    public func stop() {
        let isFirst = state.withLock { state in
            defer {
                state.isStopped = true
                state.isLinkLost = true
            }
            return !state.isStopped
        }
        guard isFirst else { return }
        listeners.close(on: loop)
        for guest in guests { try? detach(guest.id, because: "the network ends") }
        changes.withLock { _ in
            closePorts()
            for socket in state.withLock({ $0.agentPlaces.takeSockets() }) { socket.end() }
            endCapture()
        }
        // Behind the events of those that have just left.
        loop.post { [self] in endSubscriptions() }
        loop.stop()
        state.withLock { $0.inheritedPorts.close() }
        resolver.stop()
        nameDescriptors.leave()
    }
}
