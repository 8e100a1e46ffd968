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

/// The control plane's handle of a guest. It adds the guest to shards (the threads of the data path), changes the guest
/// and removes it.
///
/// The guest has one part for each queue of its link, on the least loaded shards. Each part owns the flows that a
/// keyed hash of their addresses and ports assigns to it. The engine allocates the memory of the parts, lends it to
/// the shards, and frees it when they have removed the guest.
public final class Engine: Sendable {
    let shared: EngineShared
    private let counters: [Counters]
    /// The guest's parts, until its shards have removed them.
    private let guests: Mutex<[Part]>
    /// Whether the shards serve this engine only, and stop with it.
    private let ownsShards: Bool

    /// A part of the guest, at a fixed address.
    private struct Part: @unchecked Sendable {
        // Sendable: a shard owns the memory from the guest's admission to its removal.
        let guest: UnsafeMutablePointer<ShardGuest>
    }

    /// Adds a guest to shards, which serve it from `start` on. The queues of its link are on different shards, as
    /// long as there are enough shards.
    ///
    /// - Parameters:
    ///   - link: the engine takes ownership of the link's descriptors unless `init` throws. If frames on the link
    ///     have virtio-net headers, these are 12 bytes long.
    ///   - shards: the shards that serve the guest; `nil` creates one for each queue of the link, for this guest alone.
    ///   - features: the kernel features that newly created shards may use; ignored if `shards` is not `nil`.
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

    /// Starts reading the guest's frames. Called once, when the caller is ready for events and has connected the
    /// neighbours (`connect`), because frames may cause events and may be for neighbours.
    public func start() { tellAll(.start) }

    /// Creates the parts and adds each to its shard. If one cannot be added, the others are removed again.
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
            // `withdraw` has freed the places of the admitted parts. The other parts are on no shard, so their places
            // are freed here.
            for part in admitted.count..<shared.parts { shared.set.free(shared.place(of: part)) }
            for part in parts {
                part.guest.deinitialize(count: 1)
                part.guest.deallocate()
            }
            throw error
        }
    }

    /// Allocates a part of the guest.
    ///
    /// - Parameter descriptor: the descriptor of the link's queue that the part serves.
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

    /// The number of descriptors that are open as long as a guest is served. For each queue these are the link, a
    /// reserved descriptor (`SpareDescriptor`), both ends of the channel to the name service, and with
    /// `hasGuestSockets` the channel over which sockets from the guest's namespace are received. The shards'
    /// descriptors are counted separately (`ShardSet.standingDescriptors`).
    public static func standingDescriptors(queues: Int, hasGuestSockets: Bool) -> Int {
        queues * (hasGuestSockets ? 5 : 4)
    }

    /// The guest's share of the process's descriptors.
    public var descriptors: DescriptorShare { shared.descriptors }

    /// Asks the guest's shards to close descriptors, because other guests need some. Called from any thread.
    private func giveBack() { tellAll(.giveBack) }

    deinit {
        // `stop` empties the list. If it was not called or has timed out, a shard may still run a part of the guest,
        // which uses the counters, so these are not freed.
        guard guests.withLock({ $0.isEmpty }) else { return }
        for counters in counters { counters.deallocate() }
    }

    // MARK: Changing the guest

    /// Timeout for parts to carry out a command, in milliseconds. A part that has been removed answers at once.
    static var changeTimeout: Int32 { 1_000 }

    /// Sends commands to every part and waits until they are carried out, at most for `changeTimeout`. A shard may
    /// handle frames before queued commands. If this call did not wait, frames that the guest sends after the call
    /// could still be handled as before the change.
    private func change(_ commands: ShardCommand...) { change(commands) }

    private func change(_ commands: [ShardCommand]) {
        guard !commands.isEmpty else { return }
        let reply = ShardReply(count: commands.count * shards)
        for command in commands { tellAll(.confirmed(command, reply)) }
        reply.wait(milliseconds: Self.changeTimeout)
    }

    /// Revokes IPv6 addresses of this guest that now belong to another guest. When this returns, this guest's frames
    /// from them are dropped.
    public func revoke(_ addresses: [IPv6Address]) {
        change(addresses.map { .revokeAddress($0) })
    }

    /// Changes the guest's DNS search domains. A router advertisement announces them at once, DHCP announces them
    /// with its next reply.
    public func setSearchDomains(_ domains: [String]) {
        // Only the first part runs the DHCP server and sends router advertisements.
        send(.setSearchDomains(domains), to: 0)
    }

    /// Replaces the destination policy. It applies to flows that are opened after this call.
    public func setPolicy(_ policy: DestinationPolicy) { change(.setPolicy(policy)) }

    /// Replaces the capture that gets the guest's frames; `nil` stops capturing. When this returns, the previous
    /// capture gets no more frames. While a capture is set, new connections to published ports use the link, instead
    /// of being spliced to the guest (`Relays`), so that they are captured, too.
    public func setCapture(_ capture: CaptureSession?) { change(.setCapture(capture)) }

    /// Relays bytes between a socket of the host and a channel to the guest's agent. The socket carries the plain
    /// bytes, the channel carries them in records (`StreamRecord`). Both descriptors must be non-blocking, and the
    /// caller must have counted both in the guest's share of descriptors.
    ///
    /// - Parameters:
    ///   - client: the socket of the host.
    ///   - address: the address of the connection's client; `nil` if it has none.
    ///   - server: the address of the connection's server; `nil` if it has none.
    ///   - route: the number of the forward (published port) to which the connection belongs, for lists of flows.
    ///   - isOpenedByGuest: true if a program in the guest opened the connection; the socket `client` is then
    ///     connected to a server on the host. False if the server is in the guest.
    public func join(
        client: consuming OwnedDescriptor, channel: consuming OwnedDescriptor, from address: TransportAddress?,
        to server: TransportAddress?,
        route: UInt32, isOpenedByGuest: Bool
    ) {
        let ends = ChannelEnds(
            client: address, server: server, route: route, isOpenedByGuest: isOpenedByGuest)
        // The descriptor's number spreads connections over the parts.
        let part = Int(client.rawValue) % shards
        send(.join(client: client.take(), channel: channel.take(), ends, shared.descriptors), to: part)
    }

    func send(_ command: ShardCommand, to part: Int) { shared.send(command, to: part) }

    private func tellAll(_ command: ShardCommand) {
        for part in 0..<shards { send(command, to: part) }
    }

    // MARK: Counters and removal

    /// The number of the guest's parts, one for each queue of its link.
    public var shards: Int { shared.parts }

    /// The number of buffer pools that the guest uses, one for each shard with a part of it. If the guest has more
    /// parts than there are shards, several parts share a pool.
    public var pools: Int { Set((0..<shared.parts).map { shared.place(of: $0).shard }).count }

    /// Every counter that `snapshot` returns, with the value zero.
    public static var counts: [Count] {
        Metric.allCases.map { Count(name: $0.name, value: 0, isGauge: $0.isGauge) }
            + DropReason.allCases.filter { $0 != .none }.map {
                Count(name: "refused." + $0.name, value: 0, isGauge: false)
            }
    }

    /// Every counter, summed over the guest's parts: those of `Metric`, then the refused frames by `DropReason`.
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

    /// Removes the guest from its shards, and waits until they have removed it, at most for `removalTimeout`. The
    /// shards close the host sockets of the guest's flows, TCP sockets normally by RST, and no longer use the listening
    /// sockets of published ports. Called once.
    public func stop() {
        let removal = GuestRemoval()
        tellAll(.stop(removal))
        let parts = guests.withLock { $0 }
        // On a timeout the kernel may still have operations in flight that use the memory, so it is not freed.
        guard removal.wait(for: parts.count, seconds: Self.removalTimeout) else { return }
        for part in parts {
            part.guest.deinitialize(count: 1)
            part.guest.deallocate()
        }
        guests.withLock { $0 = [] }
        if ownsShards { shared.set.stop() }
    }

    /// Timeout for shards to remove a guest, in seconds.
    private static var removalTimeout: Int { 30 }
}

/// A counter's value at one moment.
public struct Count: Sendable {
    public let name: String
    public var value: Int
    /// Whether the counter is a current value rather than a number of events.
    public let isGauge: Bool

    public init(name: String, value: Int, isGauge: Bool) {
        self.name = name
        self.value = value
        self.isGauge = isGauge
    }
}
