internal import Glibc
internal import RingwayEngine
public import RingwayModel
internal import RingwayResolver
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem
internal import Synchronization

extension VirtualNetwork {
    /// The attached guests, in the order in which they were attached.
    public var guests: [Guest] { state.withLock { $0.members.values.map(\.guest).sorted { $0.id < $1.id } } }

    /// Attaches a guest by the queues of its TAP device: non-blocking descriptors with a virtio-net header of 12
    /// bytes. Each queue is served by one shard; the queues are spread over the shards.
    ///
    /// - Parameters:
    ///   - queues: the descriptors, which are adopted unless this call throws.
    ///   - guest: the guest's identity.
    ///   - takesUDPSuperFrames: whether the device accepted TUN_F_USO4 and TUN_F_USO6.
    ///   - sockets: the source of sockets inside the guest, also adopted unless this call throws; without it all
    ///     connections use the TAP.
    @discardableResult
    public func attach(
        tap queues: [Int32], guest: GuestIdentity, takesUDPSuperFrames: Bool = true, sockets: GuestSockets = .none
    ) throws(Failure) -> Guest {
        try attach(
            Link(queues: queues, takesUDPSuperFrames: takesUDPSuperFrames), guest: guest, sockets: sockets,
            description: "tap")
    }

    /// Attaches a guest by a link of any framing, with addresses of the caller's choice.
    ///
    /// - Parameters:
    ///   - link: the link, whose queues are non-blocking descriptors; they are adopted unless this call throws.
    ///   - guest: the guest's identity.
    ///   - sockets: the source of sockets inside the guest, also adopted unless this call throws; without it all
    ///     connections use the link.
    ///   - description: the link, for users.
    @discardableResult
    public func attach(
        _ link: Link, guest: GuestIdentity, sockets: GuestSockets = .none, description: String = "a link"
    ) throws(Failure) -> Guest {
        try admit(link, sockets, description) { (registry) throws(Failure) in
            registry.admit(guest)
            return (guest.mac, guest.ipv4, guest.ipv6)
        }
    }

    /// Attaches a guest by a link of any framing. The guest gets its former address, the address that is reserved for
    /// it, or a free one.
    ///
    /// - Parameters:
    ///   - link: the link, whose queues are non-blocking descriptors; they are adopted unless this call throws.
    ///   - mac: the ethernet address of the guest's interface.
    ///   - name: the guest's name for other guests; `nil` for the configured one, or one derived from its address.
    ///   - preferred: the address that the guest prefers; assigned if it is free.
    ///   - sockets: the source of sockets inside the guest, also adopted unless this call throws; without it all
    ///     connections use the link.
    ///   - description: the link, for users.
    @discardableResult
    public func attach(
        _ link: Link, mac: MACAddress, name: String? = nil, preferring preferred: IPv4Address? = nil,
        sockets: GuestSockets = .none, description: String = "a link"
    ) throws(Failure) -> Guest {
        try refuse(mac)
        if let name, state.withLock({ $0.names.contains { $0.name.lowercased() == name.lowercased() } }) {
            throw Failure("the configuration has the name \"\(name)\" for another address")
        }
        return try admit(link, sockets, description) { (registry) throws(Failure) in
            let lease = try registry.admit(mac, preferring: preferred)
            if let name { try registry.rename(mac, name) }
            return (mac, lease.ipv4, registry.ipv6(of: mac))
        }
    }

    private func refuse(_ mac: MACAddress) throws(Failure) {
        guard mac.rawValue != 0, !mac.isMulticast, mac != plan.gatewayMAC else {
            throw Failure("no guest may have the ethernet address \(mac)")
        }
    }

    /// Attaches a guest that has connected through one of the network's listeners.
    ///
    /// - Parameter claimed: the name that the guest claims, which may be invalid or in use.
    @discardableResult
    func attach(
        _ link: Link, mac: MACAddress, at address: LinkAddress, claiming claimed: String? = nil,
        preferring preferred: IPv4Address? = nil, sockets: GuestSockets = .none
    ) throws(Failure) -> Guest {
        try refuse(mac)
        let names = state.withLock { $0.names.map { $0.name.lowercased() } }
        let bindings = state.withLock { $0.bindings }
        return try admit(link, sockets, "\(address)") { (registry) throws(Failure) in
            if let reason = bindings.refusal(of: mac, at: address, in: registry) {
                throw Failure(reason, .notPermitted)
            }
            let lease = try registry.admit(mac, preferring: preferred)
            registry.setLink(bindings.isBound(address) ? address : nil, of: mac)
            if let name = bindings.name(at: address) {
                try registry.assignName(name, to: mac)
            } else if let claimed, !names.contains(claimed.lowercased()) {
                try? registry.rename(mac, claimed, isClaimed: true)
            }
            return (mac, lease.ipv4, registry.ipv6(of: mac))
        }
    }

    /// Whether a guest with the ethernet address is attached.
    func isAttached(_ mac: MACAddress) -> Bool { state.withLock { $0.members.values.contains { $0.guest.mac == mac } } }

    private func admit(
        _ link: Link, _ sockets: GuestSockets, _ description: String,
        _ lease: (inout AddressRegistry) throws(Failure) -> (MACAddress, IPv4Address, IPv6Address)
    ) throws(Failure) -> Guest {
        do throws(Failure) {
            return try start(link, sockets, description, lease)
        } catch {
            state.withLock { $0.guestsRefused += 1 }
            throw error
        }
    }

    private func start(
        _ link: Link, _ sockets: GuestSockets, _ description: String,
        _ lease: (inout AddressRegistry) throws(Failure) -> (MACAddress, IPv4Address, IPv6Address)
    ) throws(Failure) -> Guest {
        let queues = link.queues
        guard !queues.isEmpty, queues.count <= 64 else {
            throw Failure("a link has 1 to 64 queues, not \(queues.count)")
        }
        guard sockets.descriptors.isEmpty || sockets.descriptors.count == queues.count else {
            throw Failure("\(sockets.descriptors.count) sources of sockets for \(queues.count) queues")
        }
        let features = try Self.features(for: configuration.reactor)
        return try changes.withLock { (_) throws(Failure) in
            // Checked before the first use of the shards, which only `stop` leaves.
            guard !state.withLock({ $0.isStopped }) else { throw Failure("the network has ended") }
            let memory = MemoryReserve.ofProcess()
            let shards = try shards(features, memory)
            let descriptors = try descriptors(queues: queues.count, sockets)
            let guest: Guest
            let isKnown: Bool
            do throws(Failure) {
                (guest, isKnown) = try register(description, lease)
            } catch {
                descriptors.leave()
                throw error
            }
            revokeClaims(on: guest)
            let engine: Engine
            do throws(SystemError) {
                var configuration = engineConfiguration(for: guest, sockets, queues: queues.count)
                configuration.descriptors = descriptors
                // How much memory a guest needs is known only after its tables have been allocated, so the engine
                // checks again then.
                if memory.isBounded { configuration.hasMemoryLeft = { MemoryReserve.ofProcess().admits() } }
                engine = try Engine(
                    configuration, link: link, on: shards, features: features,
                    nameService: ResolverLine(resolver, guest: guest.id),
                    handler: { [weak self] event in self?.handle(event, of: guest.id) })
            } catch {
                descriptors.leave()
                state.withLock { $0.registry.leave(guest.mac, guest: guest.id) }
                throw Self.failure(error, memory)
            }
            if memory.isBounded { watchMemory() }
            let others = state.withLock { state in
                defer { state.members[guest.id] = Member(guest: guest, engine: engine) }
                return state.members.values.map(\.engine)
            }
            if joinsGuests { engine.connect(others) }
            engine.start()
            renewNames()
            report(.guestAttached(guest))
            if !isKnown { report(.leaseGiven(guest)) }
            placeForwards()
            return guest
        }
    }

    private static func failure(_ error: SystemError, _ memory: MemoryReserve) -> Failure {
        // pthread_create(3) fails with EAGAIN if the limit of threads is reached, but also if the stack cannot be
        // allocated.
        let lacksMemory = error.errno == ENOMEM || memory.isBounded && error.errno == EAGAIN
        return lacksMemory ? memoryFailure : Failure("the data path does not start: \(error)")
    }

    /// The shards of the process, which the network uses from its first guest until `stop`.
    private func shards(_ features: RingwayRing.KernelFeatures, _ memory: MemoryReserve) throws(Failure) -> ShardSet {
        if let shards = state.withLock({ $0.shards }) {
            guard memory.admits() else { throw Self.memoryFailure }
            return shards
        }
        let count = configuration.shardCount
        guard memory.admits(configuration.limits.poolBytesPerShard * count) else { throw Self.memoryFailure }
        do throws(SystemError) {
            let shards = try ShardSet.ofProcess(
                ShardSet.Configuration(
                    shards: count, limits: configuration.limits, features: features,
                    busyPoll: configuration.busyPollNanoseconds(threads: count)))
            DescriptorBudget.ofProcess.addStanding(shards.standingDescriptors)
            state.withLock { $0.shards = shards }
            return shards
        } catch {
            throw Self.failure(error, memory)
        }
    }

    /// Takes from other guests the addresses that belong to a guest that is being attached: its SLAAC address, and
    /// the address of its `GuestIdentity`.
    private func revokeClaims(on guest: Guest) {
        let revoked = state.withLock { state in
            state.registry.evictClaims(on: guest.mac, by: guest.id).compactMap { holder, addresses in
                state.members[holder].map { ($0.engine, addresses) }
            }
        }
        for (engine, addresses) in revoked { engine.revoke(addresses) }
    }

    private static var memoryFailure: Failure {
        Failure(
            "too little memory is left for one more guest: raise ulimit -v, LimitAS or vm.overcommit_ratio, or lower "
                + "--pool-size", .exhausted)
    }

    /// Starts to check every second whether there is memory for more flows. Called when the process's memory is
    /// limited; only the first call on a network has an effect.
    private func watchMemory() {
        guard
            state.withLock({ state in
                defer { state.watchesMemory = true }
                return !state.watchesMemory
            })
        else { return }
        loop.post { [weak self] in self?.checkMemory() }
    }

    private func checkMemory() {
        DescriptorBudget.ofProcess.setShort(!MemoryReserve.ofProcess().admits())
        loop.after(milliseconds: 1_000) { [weak self] in self?.checkMemory() }
    }

    /// The descriptor share of a new guest. If the guest cannot be attached, the caller must call the share's `leave`.
    private func descriptors(queues: Int, _ sockets: GuestSockets) throws(Failure) -> DescriptorShare {
        let standing = Engine.standingDescriptors(queues: queues, hasGuestSockets: !sockets.descriptors.isEmpty)
        let budget = DescriptorBudget.ofProcess
        budget.countOpen()
        guard let share = budget.join(standing: standing) else {
            throw Failure(
                "too few of the \(budget.limit) descriptors that the process may have are left for one more guest: raise "
                    + "ulimit -Hn or LimitNOFILE", .exhausted)
        }
        return share
    }

    /// Whether guests can reach each other.
    private var joinsGuests: Bool { configuration.checksSources && !configuration.isolate }

    /// Registers a guest, or throws without a change.
    private func register(
        _ description: String,
        _ lease: (inout AddressRegistry) throws(Failure) -> (MACAddress, IPv4Address, IPv6Address)
    ) throws(Failure) -> (Guest, isKnown: Bool) {
        try state.withLock { (state) throws(Failure) in
            guard !state.isStopped else { throw Failure("the network has ended") }
            guard configuration.checksSources || state.members.isEmpty else {
                throw Failure("the network has its guest already")
            }
            guard state.members.count < configuration.limits.guestsPerNetwork else {
                throw Failure(
                    "the network has \(state.members.count) guests, as many as --max-guests allows", .exhausted)
            }
            let known = state.registry.leases
            var registry = state.registry
            let (mac, ipv4, ipv6) = try lease(&registry)
            if let other = state.members.values.first(where: { $0.guest.mac == mac || $0.guest.ipv4 == ipv4 }) {
                throw Failure(
                    "guest \(other.guest) has the same address: each guest needs an ethernet address of its own")
            }
            state.registry = registry
            state.renewGuestNames()
            state.nextGuest += 1
            let guest = Guest(
                id: state.nextGuest, mac: mac, ipv4: ipv4, ipv6: ipv6,
                name: registry.leases[mac]?.name ?? "\(mac)",
                claimsName: registry.leases[mac]?.claimsName ?? false, link: description)
            return (guest, known[mac]?.ipv4 == ipv4 && known[mac]?.lastUse != 0)
        }
    }

    private func engineConfiguration(
        for guest: Guest, _ sockets: GuestSockets, queues: Int
    ) -> EngineConfiguration {
        let policy = state.withLock { $0.policy }
        var plan = plan
        plan.domainName = GuestName.domain
        plan.searchDomains = searchDomains.forGuests
        var stack = Stack.Configuration(
            plan: plan, limits: configuration.limits, policy: policy, guestMAC: guest.mac, guestIPv4: guest.ipv4,
            guestIPv6: guest.ipv6, shard: 0, shards: queues, secret: .random(in: .min ... .max))
        stack.hasNeighbors = configuration.checksSources
        var engine = EngineConfiguration(stack: stack)
        engine.capture = captures.current
        engine.guestSockets = sockets.descriptors
        engine.keepsPrivilegedPorts = configuration.keepsPrivilegedPorts
        engine.usesMultishotRead = configuration.usesMultishotRead
        if configuration.checksSources { engine.claims = GuestClaims(self, guest: guest.id, mac: guest.mac) }
        engine.neighborLimit = configuration.limits.guestsPerNetwork
        engine.addressLimit = configuration.limits.addressesPerGuest
        return engine
    }

    // MARK: Detaching

    /// Detaches a guest: its TCP connections are reset on the host, and its lease remains.
    public func detach(_ guest: Guest.ID, because reason: String = "it was detached") throws(Failure) {
        try changes.withLock { (_) throws(Failure) in
            let (detached, others) = state.withLock { state in
                let detached = state.members.removeValue(forKey: guest)
                state.leaving[guest] = detached
                return (detached, state.members.values.map(\.engine))
            }
            guard let detached else { throw Failure("there is no guest \(guest)", .notFound) }
            if joinsGuests { detached.engine.disconnect(others) }
            detached.engine.stop()
            detached.engine.descriptors.leave()
            DescriptorBudget.ofProcess.countOpen()
            let counts = detached.engine.snapshot()
            state.withLock { state in
                state.leaving[guest] = nil
                for count in counts where !count.isGauge { state.detachedCounts[count.name, default: 0] += count.value }
                state.registry.leave(detached.guest.mac, guest: guest)
            }
            renewNames()
            report(.guestDetached(detached.guest, reason: reason))
            placeForwards()
            listeners.guestLeft(guest, on: loop)
        }
    }

    /// Handles an event of a guest's engine. Called on an engine's thread, which must not block.
    private func handle(_ event: EngineEvent, of id: Guest.ID) {
        if case .addressesChanged = event {
            return loop.post { [weak self] in self?.followAddresses(of: id) }
        }
        let action = state.withLock { state -> (@Sendable () -> Void)? in
            guard !state.isLinkLost else { return nil }
            state.isLinkLost = true
            return state.linkLost
        }
        action?()
        let reason =
            switch event {
            case .linkLost(let errno) where errno == 0 || errno == ENODEV: "the other end has closed it"
            case .linkMalformed(let length): "it sent a frame of \(length) bytes, which none has"
            case .linkLost(let errno): String(cString: strerror(errno))
            case .addressesChanged: ""
            case .ringFailed(let errno): "io_uring: \(String(cString: strerror(errno)))"
            }
        loop.post { [weak self] in
            guard let self, let guest = guests.first(where: { $0.id == id }) else { return }
            report(.linkLost(guest, reason: reason))
            try? detach(id, because: reason)
        }
    }

    /// Calls `action` once, when a guest's link fails for the first time on this network. `action` runs on a thread of
    /// the data path, and must not block. If a link has failed already, or the network has been stopped, `action` is
    /// called at once, on the caller's thread. Replaces an earlier action.
    public func onLinkLost(_ action: @escaping @Sendable () -> Void) {
        let isLost = state.withLock { state in
            state.linkLost = action
            return state.isLinkLost
        }
        if isLost { action() }
    }
}

/// The channel from shards to the resolver.
private struct ResolverLine: NameService {
    let resolver: Resolver
    let guest: Guest.ID

    init(_ resolver: Resolver, guest: Guest.ID) {
        self.resolver = resolver
        self.guest = guest
    }

    func serve(datagrams descriptor: consuming OwnedDescriptor) { resolver.serve(datagrams: descriptor, guest: guest) }
    func serve(stream descriptor: consuming OwnedDescriptor, hasIPv6: Bool) {
        resolver.serve(stream: descriptor, guest: guest, hasIPv6: hasIPv6)
    }
}
