internal import Glibc
public import RingwayCapture
internal import RingwayLinks
public import RingwayModel
internal import RingwayReactor
public import RingwayRing
internal import RingwayStack
public import RingwayStorage
public import RingwaySystem
internal import RingwayWire
internal import Synchronization

/// A guest of the data path: its place on the shards of a `ShardSet`, and how the control plane reaches it there. The only
/// place that knows stack, reactor and links all together.
///
/// The guest has a part for each queue of its link, on the least loaded shards. Each part owns the flows that a keyed hash
/// gives it. The memory of the parts is the engine's: laid out here, lent to the shards, and given back when these have let
/// go of the guest.
public final class Engine: Sendable {
    let shared: EngineShared
    private let counters: [Counters]
    /// The parts while shards have them.
    private let guests: Mutex<[Part]>
    /// Whether the shards are the engine's alone, and end with it.
    private let ownsShards: Bool

    /// A part of the guest in its memory, which does not move.
    private struct Part: @unchecked Sendable {
        // Sendable: the memory is a shard's from when it has admitted the guest until it has let go of it.
        let guest: UnsafeMutablePointer<ShardGuest>
    }

    /// Has a guest served from `start` on, by one shard for each queue of the link as far as there are so many.
    ///
    /// - Parameters:
    ///   - link: adopted; where its queues have virtio-net headers, these have 12 bytes.
    ///   - shards: those that serve the guest; `nil` for as many as the link has queues, for this guest alone.
    ///   - features: of the shards that are made; those that there are have theirs.
    ///   - handler: called from the shards' threads.
    public init(
        _ configuration: EngineConfiguration, link: Link, on shards: ShardSet? = nil, features: KernelFeatures,
        nameService: (any NameService)?, handler: @escaping @Sendable (EngineEvent) -> Void
    ) throws(SystemError) {
        let queues = link.queues
        precondition(!queues.isEmpty && queues.count <= BufferSpace.maximumShards)
        precondition(
            BufferSpace.largeSize >= Frame.maximumLength && BufferSpace.largeSize >= Stack.headroom + 65_535,
            "a large buffer holds the longest frame")
        var configuration = configuration
        configuration.stack.shards = queues.count
        configuration.stack.segmentsUDP = link.takesUDPSuperFrames || !link.framing.hasVirtioNetHeader
        let set: ShardSet
        if let shards {
            set = shards
        } else {
            set = try ShardSet(
                ShardSet.Configuration(
                    shards: queues.count, limits: configuration.stack.limits, features: features,
                    busyPoll: configuration.busyPoll))
        }
        ownsShards = shards == nil
        do throws(SystemError) {
            guard let places = set.place(queues: queues.count) else {
                throw SystemError("the shards have as many guests as they can", errno: ENOSPC)
            }
            let counters = queues.map { _ in Counters() }
            let shared = EngineShared(
                configuration: configuration, set: set, places: places, nameService: nameService, handler: handler)
            do throws(SystemError) {
                guests = Mutex(try Self.admit(shared, link, counters))
            } catch {
                for counters in counters { counters.deallocate() }
                throw error
            }
            self.counters = counters
            self.shared = shared
        } catch {
            if shards == nil { set.stop() }
            throw error
        }
        shared.descriptors.onDemand { [weak self] in self?.giveBack() }
    }

    /// Has the guest's frames read. Called once, when everything is in place that they may bring about: whom the guest's
    /// events are about, and its neighbours.
    public func start() { tellAll(.start) }

    /// Lays the parts out, and has all shards take them in, or none.
    private static func admit(
        _ shared: EngineShared, _ link: Link, _ counters: [Counters]
    ) throws(SystemError) -> [Part] {
        var parts: [Part] = []
        var admitted: [Part] = []
        do throws(SystemError) {
            for part in link.queues.indices {
                let guest = try layOut(
                    part, shared, link.queues[part], link.framing, counters[part], now: Reactor.clock())
                parts.append(Part(guest: guest))
            }
            guard shared.configuration.hasMemoryLeft() else {
                throw SystemError("too little memory is left", errno: ENOMEM)
            }
            for (part, guest) in parts.enumerated() {
                if let error = ask(guest, shared.place(of: part), shared.set, ShardCall.admit) { throw error }
                admitted.append(guest)
            }
            return parts
        } catch {
            for (part, guest) in admitted.enumerated() {
                _ = ask(guest, shared.place(of: part), shared.set, ShardCall.withdraw)
            }
            // The others' places never had a guest.
            for part in admitted.count..<shared.parts { shared.set.free(shared.place(of: part)) }
            for part in parts {
                part.guest.deinitialize(count: 1)
                part.guest.deallocate()
            }
            throw error
        }
    }

    /// A part of a guest in memory of its own.
    ///
    /// - Parameter descriptor: of the part's queue of the link.
    static func layOut(
        _ part: Int, _ shared: EngineShared, _ descriptor: Int32, _ framing: Link.Framing, _ counters: Counters,
        now: UInt64
    ) throws(SystemError) -> UnsafeMutablePointer<ShardGuest> {
        let place = shared.place(of: part)
        let queue = try Queue(
            descriptor, framing, buffers: ShardCore.ringBuffers, group: place.slot,
            isMultishot: shared.features.hasMultishotRead && shared.configuration.usesMultishotRead)
        do throws(MemoryFailure) {
            let memory = try UnsafeMutablePointer<ShardGuest>.allocateApart(capacity: 1)
            do throws(MemoryFailure) {
                memory.initialize(
                    to: ShardGuest(
                        try GuestDataPath(
                            part: part, shared: shared, queue: queue, framing: framing,
                            pool: shared.set.pool(Int(place.shard)), counters: counters, now: now)))
            } catch {
                memory.deallocate()
                throw error
            }
            return memory
        } catch {
            throw SystemError(error)
        }
    }

    private static func ask(
        _ part: Part, _ place: GuestPlace, _ set: ShardSet, _ call: (GuestAdmission) -> ShardCall
    ) -> SystemError? {
        let admission = GuestAdmission(part.guest, at: place)
        set.call(call(admission), Int(place.shard))
        return admission.wait()
    }

    /// Descriptors that a guest has open for as long as it is served: of each queue that itself, the spare one and both ends
    /// of the line to the name service. The shards have theirs besides (`ShardSet.standingDescriptors`).
    public static func standingDescriptors(queues: Int, hasGuestSockets: Bool) -> Int {
        queues * (hasGuestSockets ? 5 : 4)
    }

    /// The guest's share of the process's descriptors.
    public var descriptors: DescriptorShare { shared.descriptors }

    /// Other guests lack what this one has borrowed. From any thread.
    private func giveBack() { tellAll(.giveBack) }

    deinit {
        // A shard that may still have the guest needs all of it.
        guard guests.withLock({ $0.isEmpty }) else { return }
        for counters in counters { counters.deallocate() }
    }

    // MARK: Changes

    /// Timeout for shards to make a change, in milliseconds; a shard that has ended does not count.
    static var changeTimeout: Int32 { 1_000 }

    /// Has every shard carry out commands, and returns when they have. A shard may read what the guest has sent before
    /// what the control plane asks: a caller that goes on at once would see frames treated as before the change.
    private func change(_ commands: ShardCommand...) { change(commands) }

    private func change(_ commands: [ShardCommand]) {
        guard !commands.isEmpty else { return }
        let reply = ShardReply(count: commands.count * shards)
        for command in commands { tellAll(.confirmed(command, reply)) }
        reply.wait(milliseconds: Self.changeTimeout)
    }

    /// Takes IPv6 addresses from the guest that are another one's: nothing is sent from them any more when it returns.
    public func revoke(_ addresses: [IPv6Address]) {
        change(addresses.map { .revokeAddress($0) })
    }

    /// Has the guest search other domains, as soon as its services come to it.
    public func setSearchDomains(_ domains: [String]) {
        // The first part has the services.
        send(.setSearchDomains(domains), to: 0)
    }

    /// Holds flows that are opened when this has returned to another policy.
    public func setPolicy(_ policy: DestinationPolicy) { change(.setPolicy(policy)) }

    /// Hands frames to this capture when this has returned, and to no other; `nil` for none. Connections of published
    /// ports that are opened meanwhile take the link, so that the capture shows them.
    public func setCapture(_ capture: CaptureSession?) { change(.setCapture(capture)) }

    /// Moves bytes between a plain socket and a channel to the guest's agent, which has them in records; both are
    /// non-blocking.
    ///
    /// - Parameters:
    ///   - client: counted by the engine's share of descriptors, as is the channel.
    ///   - address: the client's, where it has one.
    ///   - server: the server's in the guest, where it has one.
    ///   - route: the number of what it came by, for lists of flows.
    ///   - isOpenedByGuest: whether the client is a program of the guest's, and the socket a server of the host's.
    public func join(
        client: consuming OwnedDescriptor, channel: consuming OwnedDescriptor, from address: TransportAddress?,
        to server: TransportAddress?,
        route: UInt32, isOpenedByGuest: Bool
    ) {
        let ends = ChannelEnds(
            client: address, server: server, route: route, isOpenedByGuest: isOpenedByGuest)
        // Descriptors are as good as dice: neighbours in time go to parts in turn.
        let part = Int(client.rawValue) % shards
        send(.join(client: client.take(), channel: channel.take(), ends, shared.descriptors), to: part)
    }

    func send(_ command: ShardCommand, to part: Int) { shared.send(command, to: part) }

    private func tellAll(_ command: ShardCommand) {
        for part in 0..<shards { send(command, to: part) }
    }

    // MARK: Watching and ending

    /// Parts of the guest, each on a shard: one for each queue of its link.
    public var shards: Int { shared.parts }

    /// Every counter that a snapshot has, at zero.
    public static var counts: [Count] {
        Metric.allCases.map { Count(name: $0.name, value: 0, isGauge: $0.isGauge) }
            + DropReason.allCases.filter { $0 != .none }.map {
                Count(name: "refused." + $0.name, value: 0, isGauge: false)
            }
    }

    /// Every counter, summed over the guest's parts, in the order of `Metric`, then the frame parser's reasons.
    public func snapshot() -> [Count] {
        var rows: [Count] = []
        for metric in Metric.allCases {
            rows.append(
                Count(name: metric.name, value: counters.reduce(0) { $0 + $1.read(metric) }, isGauge: metric.isGauge))
        }
        for reason in DropReason.allCases where reason != .none {
            let value = counters.reduce(0) { $0 + $1.readRefused(reason: reason.rawValue) }
            rows.append(Count(name: "refused." + reason.name, value: value, isGauge: false))
        }
        return rows
    }

    /// Takes the guest from its shards and waits until they have let go of it. The guest's flows end with RST on the host,
    /// and published ports are free when it returns. Called once.
    public func stop() {
        let removal = GuestRemoval()
        tellAll(.stop(removal))
        let parts = guests.withLock { $0 }
        // What the kernel does not give back in this time stays as it is.
        guard removal.wait(for: parts.count, seconds: Self.removalTimeout) else { return }
        for part in parts {
            part.guest.deinitialize(count: 1)
            part.guest.deallocate()
        }
        guests.withLock { $0 = [] }
        if ownsShards { shared.set.stop() }
    }

    /// Seconds that shards may take to let go of a guest.
    private static var removalTimeout: Int { 30 }
}

/// A counter's value at one moment.
public struct Count: Sendable {
    public let name: String
    public var value: Int
    /// Whether it tells how much there is now, and not how often something happened.
    public let isGauge: Bool

    public init(name: String, value: Int, isGauge: Bool) {
        self.name = name
        self.value = value
        self.isGauge = isGauge
    }
}
