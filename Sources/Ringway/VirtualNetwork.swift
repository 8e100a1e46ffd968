internal import Glibc
internal import RingwayEngine
internal import RingwayLinks
internal import RingwayResolver
internal import RingwayRing
@_exported public import RingwayStack
@_exported public import RingwayWire
internal import Synchronization

/// One virtual network with its gateway: what a launcher of virtual machines or namespaces embeds.
///
/// ```swift
/// let network = try VirtualNetwork(VirtualNetwork.Configuration())
/// try network.attach(tap: queues, guest: identity)
/// try network.publish(PortForward(hostAddress: nil, hostPorts: 8080...8080, guestPorts: 80...80, transport: .tcp))
/// ```
///
/// Nothing here installs signal handlers, prints, or keeps global state; several networks live in one process.
public final class VirtualNetwork: Sendable {
    /// Why a network could not do what was asked: one line for a person to read.
    public struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
        public let description: String

        init(_ description: String) { self.description = description }
    }

    public let configuration: Configuration
    /// The addresses of the network.
    public let plan: NetworkPlan

    private struct State {
        var engine: Engine?
        var guest: GuestIdentity?
        var nextForward: UInt32 = 0
        var linkLost: (@Sendable () -> Void)?
        var isLinkLost = false
    }

    private let state = Mutex(State())
    private let resolver: Resolver
    private let capture: Int32

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
        var names = Resolver.Configuration(
            names: Self.builtinNames(plan),
            upstreams: configuration.nameServers.isEmpty ? nil : configuration.nameServers)
        names.resolvConfPath = configuration.resolvConfPath
        names.limits.outstandingQueries = configuration.limits.nameQueries
        if let path = configuration.captureFile {
            capture = try CaptureFile.create(path)
        } else {
            capture = -1
        }
        do throws(ResolverFailure) {
            resolver = try Resolver(names)
        } catch {
            throw Failure("the name service does not start: \(error)")
        }
    }

    private static func builtinNames(_ plan: NetworkPlan) -> [BuiltinName] {
        let host = ["host.ringway.internal", "host.docker.internal", "host.containers.internal"]
        let gateway = ["gateway.ringway.internal", "gateway.docker.internal"]
        return host.map { BuiltinName(name: $0, ipv4: plan.hostIPv4, ipv6: plan.hostIPv6) }
            + gateway.map { BuiltinName(name: $0, ipv4: plan.gatewayIPv4, ipv6: plan.gatewayIPv6) }
    }

    // MARK: Guests

    /// Attaches a guest by the queues of its TAP device, which are adopted: non-blocking descriptors with a virtio-net
    /// header of 12 octets. There is one shard for each queue.
    ///
    /// - Parameters:
    ///   - takesUDPSuperFrames: whether the device accepted TUN_F_USO4 and TUN_F_USO6.
    ///   - sockets: where sockets inside the guest come from, adopted; without it all connections take the TAP.
    public func attach(
        tap queues: [Int32], guest: GuestIdentity, takesUDPSuperFrames: Bool = true, sockets: GuestSockets = .none
    ) throws(Failure) {
        guard !queues.isEmpty, queues.count <= 64 else {
            throw Failure("a link has 1 to 64 queues, not \(queues.count)")
        }
        guard sockets.descriptors.isEmpty || sockets.descriptors.count == queues.count else {
            throw Failure("\(sockets.descriptors.count) sources of sockets for \(queues.count) queues")
        }
        guard state.withLock({ $0.engine == nil }) else { throw Failure("the network has its guest already") }
        let features = try Self.features(for: configuration.reactor)
        let stack = Stack.Configuration(
            plan: plan, limits: configuration.limits,
            policy: DestinationPolicy(
                allow: configuration.allow, deny: configuration.deny, hostLoopback: configuration.hostLoopback),
            guestMAC: guest.mac, guestIPv4: guest.ipv4, guestIPv6: guest.ipv6, shard: 0, shards: queues.count,
            secret: .random(in: .min ... .max))
        var engineConfiguration = EngineConfiguration(stack: stack)
        engineConfiguration.capture = capture
        engineConfiguration.guestSockets = sockets.descriptors
        engineConfiguration.usesMultishotRead = configuration.usesMultishotRead
        engineConfiguration.busyPoll = configuration.busyPollNanoseconds
        let engine: Engine
        do throws(RingError) {
            engine = try Engine(
                engineConfiguration, link: Link(queues: queues, takesUDPSuperFrames: takesUDPSuperFrames),
                features: features, nameService: ResolverLine(resolver),
                handler: { [weak self] event in self?.handle(event) })
        } catch {
            throw Failure("the data path does not start: \(error)")
        }
        state.withLock {
            $0.engine = engine
            $0.guest = guest
        }
    }

    private func handle(_ event: EngineEvent) {
        let action = state.withLock { state -> (@Sendable () -> Void)? in
            guard !state.isLinkLost else { return nil }
            state.isLinkLost = true
            return state.linkLost
        }
        action?()
    }

    /// Calls `action`, once, when the guest's link is gone; at once when it is already. From a thread of the network's.
    public func onLinkLost(_ action: @escaping @Sendable () -> Void) {
        let isLost = state.withLock { state in
            state.linkLost = action
            return state.isLinkLost
        }
        if isLost { action() }
    }

    // MARK: Forwards

    /// Publishes ports of the host as ports of the guest, which must be attached. All of a range or none of it.
    public func publish(_ forward: PortForward) throws(Failure) {
        guard forward.hostPorts.count == forward.guestPorts.count else {
            throw Failure(
                "\(forward): the host's range has \(forward.hostPorts.count) ports and the guest's "
                    + "\(forward.guestPorts.count)")
        }
        let current = state.withLock { state -> (Engine, GuestIdentity, UInt32)? in
            guard let engine = state.engine, let guest = state.guest else { return nil }
            state.nextForward += 1
            return (engine, guest, state.nextForward)
        }
        guard let (engine, guest, number) = current else {
            throw Failure("ports are published once a guest is attached")
        }
        for offset in 0..<forward.hostPorts.count {
            let port = forward.hostPorts.lowerBound + UInt16(offset)
            let guestPort = forward.guestPorts.lowerBound + UInt16(offset)
            do throws(HostListenFailure) {
                try listen(engine, guest, forward, port, guestPort, number)
            } catch {
                engine.unlisten(forward: number)
                throw Failure(PortHolder.explain(error.errno, forward.hostAddress, port, forward.transport))
            }
        }
    }

    private func listen(
        _ engine: Engine, _ guest: GuestIdentity, _ forward: PortForward, _ port: UInt16, _ guestPort: UInt16,
        _ number: UInt32
    ) throws(HostListenFailure) {
        func target(_ ipv4: Bool) -> TransportAddress {
            TransportAddress(address: ipv4 ? IPAddress(guest.ipv4) : IPAddress(guest.ipv6), port: guestPort)
        }
        switch forward.transport {
        case .tcp:
            try engine.listen(
                address: forward.hostAddress, port: port, guest: target(forward.hostAddress?.isIPv4 ?? true),
                forward: number)
        case .udp:
            // A mapping belongs to the shard of the guest's address, so each family has a socket of its own.
            if let address = forward.hostAddress {
                try engine.receive(address: address, port: port, guest: target(address.isIPv4), forward: number)
                return
            }
            try engine.receive(
                address: IPAddress(IPv4Address(rawValue: 0)), port: port, guest: target(true), forward: number)
            do throws(HostListenFailure) {
                try engine.receive(
                    address: IPAddress(high: 0, low: 0), port: port, guest: target(false), forward: number)
            } catch  where error.errno == EAFNOSUPPORT || error.errno == EADDRNOTAVAIL {
                // A host without IPv6.
            }
        }
    }

    // MARK: Watching and ending

    /// The counters now.
    public func statistics() -> Statistics {
        let engine = state.withLock { $0.engine }
        return Statistics(data: engine?.snapshot() ?? [], names: resolver.statistics())
    }

    /// Ends the network: the guest's flows end with RST on the host, threads end, descriptors close. Called once.
    public func stop() {
        let engine = state.withLock { state -> Engine? in
            state.isLinkLost = true
            defer { state.engine = nil }
            return state.engine
        }
        engine?.stop()
        resolver.stop()
        if capture >= 0 { close(capture) }
    }
}

/// The shards' line to the resolver.
private struct ResolverLine: NameService {
    let resolver: Resolver

    init(_ resolver: Resolver) { self.resolver = resolver }

    func serve(datagrams descriptor: Int32) { resolver.serve(datagrams: descriptor) }
    func serve(stream descriptor: Int32) { resolver.serve(stream: descriptor) }
}
